using System.ComponentModel;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using ConnMgr.Netlink;

namespace ConnMgr.Flows;

/// <summary>
/// After a switch, ends what still uses the old link, so that applications reconnect at once. The sockets first: their
/// owners wait. Its netlink sockets exist only while it works.
/// </summary>
internal sealed class FlowRunner : IDisposable
{
    private const int NETLINK_ROUTE = 0;
    private const int NETLINK_SOCK_DIAG = 4;
    private const int NETLINK_NETFILTER = 12;

    /// <summary>An acknowledged route takes about 6 kB of a socket's buffer of at least 160 kB.</summary>
    private const int Window = 16;

    private const int MaxTries = 3;
    private const int MaxRounds = 64; // of at most 1024 flows each

    private readonly Loop _loop;
    private readonly IReadOnlyList<string> _links;
    private readonly uint _ownMark;
    private readonly Action<string> _report;
    private readonly Action<string> _complain;
    private readonly UsedAddresses _used;
    private readonly (byte Protocol, byte[] Request)[] _socketDumps = SockDiagMessage.Dumps();
    private readonly HashSet<string> _complaints = [];
    private readonly int[] _counts = new int[3]; // by FlowKind
    private List<OldAddress> _old = [];
    private HashSet<int> _ifindexes = [];
    private StaleFlows? _flows;
    private ExchangeSocket? _dumps;
    private ExchangeSocket? _ends;
    private ExchangeSocket? _routes;
    private int _seenVersion = -1;
    private string? _seenInPlace;
    private bool _isAtConntrack;
    private int _tries;
    private int _rounds;

    /// <param name="loop">Where the kernel's answers arrive.</param>
    /// <param name="links">The names of the links.</param>
    /// <param name="ownMark">The mark of the daemon's own sockets.</param>
    /// <param name="report">Gets a line for the log after each switch that ended something.</param>
    /// <param name="complain">Gets a line about what the kernel refuses; the same one once.</param>
    public FlowRunner(
        Loop loop, IReadOnlyList<string> links, uint ownMark, Action<string> report, Action<string> complain)
    {
        _loop = loop;
        _links = links;
        _ownMark = ownMark;
        _report = report;
        _complain = complain;
        _used = new UsedAddresses(links);
    }

    /// <summary>
    /// Takes the kernel's picture; to be called whenever it is complete. Flows are ended only in favour of a choice, not of
    /// what the routes are in a moment between: a DHCP renewal gives back what it takes.
    /// </summary>
    /// <param name="table">The picture.</param>
    /// <param name="inPlace">The link that was chosen, if the routes lead over it; or null.</param>
    public void Observe(KernelState table, string? inPlace)
    {
        if (table.Version == _seenVersion && inPlace == _seenInPlace)
        {
            return;
        }
        _seenVersion = table.Version;
        _seenInPlace = inPlace;

        // What the kernel has answered may not be true any more; what is not done is found again.
        Close();
        _used.Observe(table);
        _old = inPlace is null ? [] : _used.Old(table, inPlace);
        if (_old.Count > 0)
        {
            _ifindexes = [.. _links.Select(link => table.Find(link)?.Ifindex ?? 0).Where(ifindex => ifindex != 0)];
            _tries = 0;
            Start();
        }
    }

    private void Start()
    {
        Close();
        _rounds = 0;
        _isAtConntrack = false;
        _flows = new StaleFlows(_old, _ifindexes, _ownMark);
        if (TryOpen(NETLINK_SOCK_DIAG, "sockets"))
        {
            Dump();
        }
        else
        {
            Finish();
        }
    }

    /// <summary>False if the kernel has no such netlink.</summary>
    private bool TryOpen(int protocol, string what)
    {
        try
        {
            _routes ??= new ExchangeSocket(_loop, NETLINK_ROUTE, Window);
            _dumps?.Dispose();
            _dumps = new ExchangeSocket(_loop, protocol, window: 1);
            _ends?.Dispose();
            _ends = new ExchangeSocket(_loop, protocol, Window);
            return true;
        }
        catch (Win32Exception error)
        {
            Complain($"cannot list {what}", error.Message);
            return false;
        }
    }

    private void Dump()
    {
        _flows!.BeginDump();
        if (_isAtConntrack)
        {
            _dumps!.Begin([ConntrackMessage.Dump()], TakeEntry, Ask);
        }
        else
        {
            _dumps!.Begin([.. _socketDumps.Select(dump => dump.Request)], TakeSocket, Ask);
        }
    }

    private void TakeSocket(int request, in NetlinkMessage message)
    {
        byte protocol = _socketDumps[request].Protocol;
        if (message.Type == SockDiagMessage.DumpRow && SockDiagMessage.TryRead(protocol, message.Payload, out SockDiagMessage socket))
        {
            _flows!.Take(socket);
        }
        else if (message.ErrorNumber is int error and not 0)
        {
            Complain($"cannot list {(protocol == SockDiagMessage.Tcp ? "TCP" : "UDP")} sockets", Errno.Text(error));
        }
    }

    private void TakeEntry(int request, in NetlinkMessage message)
    {
        if (message.Type == ConntrackMessage.DumpRow && ConntrackMessage.TryRead(message.Payload, out ConntrackMessage entry))
        {
            _flows!.Take(entry);
        }
        else if (message.ErrorNumber is int error and not 0)
        {
            Complain("cannot list conntrack entries", Errno.Text(error));
        }
    }

    private void Ask(bool isComplete)
    {
        if (!isComplete)
        {
            Retry();
            return;
        }
        List<RouteQuestion> questions = _flows!.Questions();
        questions.ForEach(question => _flows.Answer(question, 0));
        void Answer(int request, in NetlinkMessage message)
        {
            if (RouteQuestion.TryReadAnswer(message, out int ifindex))
            {
                _flows.Answer(questions[request], ifindex);
            }
        }
        _routes!.Begin([.. questions.Select(question => question.ToRequest())], Answer, EndStale);
    }

    private void EndStale(bool isComplete)
    {
        if (!isComplete)
        {
            Retry();
            return;
        }
        List<(FlowKind Kind, byte[] Request)> stale = _flows!.Stale();
        void Count(int request, in NetlinkMessage message)
        {
            FlowKind kind = stale[request].Kind;
            switch (message.ErrorNumber)
            {
                case null or Errno.ENOENT or Errno.ESTALE: // it has just ended by itself
                    break;
                case 0:
                    _counts[(int)kind]++;
                    break;
                case Errno.EOPNOTSUPP when kind != FlowKind.Conntrack:
                    Complain($"cannot end {Name(kind)}", "the kernel lacks CONFIG_INET_DIAG_DESTROY");
                    break;
                case int error:
                    Complain($"cannot end {Name(kind)}", Errno.Text(error));
                    break;
            }
        }
        _ends!.Begin([.. stale.Select(flow => flow.Request)], Count, GoOn);
    }

    /// <summary>The same again if there was no room for all; else from the sockets to conntrack, and then it is done.</summary>
    private void GoOn(bool isComplete)
    {
        if (!isComplete)
        {
            Retry();
            return;
        }
        if (_flows!.IsFull && ++_rounds < MaxRounds)
        {
            Dump();
            return;
        }
        if (!_isAtConntrack && TryOpen(NETLINK_NETFILTER, "conntrack entries"))
        {
            _isAtConntrack = true;
            Dump();
            return;
        }
        Finish();
    }

    /// <summary>Something was lost: begins anew, since what has been ended is not found again.</summary>
    private void Retry()
    {
        if (++_tries < MaxTries)
        {
            Start();
            return;
        }
        Complain("cannot end all flows over the old link", "the kernel's answers are incomplete");
        Finish();
    }

    private void Finish()
    {
        Close();
        _used.Forget(_old);
        if (_counts.Sum() > 0)
        {
            string links = string.Join(", ", _old.Select(old => old.Link).Distinct());
            _report(
                $"ended {_counts[(int)FlowKind.Tcp]} TCP and {_counts[(int)FlowKind.Udp]} UDP flows "
                + $"and {_counts[(int)FlowKind.Conntrack]} conntrack entries over {links}");
        }
        Array.Clear(_counts);
    }

    private void Complain(string what, string why)
    {
        if (_complaints.Add(what))
        {
            _complain($"{what}: {why}, ignoring");
        }
    }

    private static string Name(FlowKind kind) => kind switch
    {
        FlowKind.Tcp => "TCP flows",
        FlowKind.Udp => "UDP flows",
        _ => "conntrack entries",
    };

    private void Close()
    {
        _dumps?.Dispose();
        _ends?.Dispose();
        _routes?.Dispose();
        _dumps = null;
        _ends = null;
        _routes = null;
        _flows = null;
    }

    public void Dispose() => Close();
}
