using System.ComponentModel;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Netlink;
using static ConnMgr.Netlink.NetlinkHeader;

namespace ConnMgr.Flows;

/// <summary>
/// Ends the flows over the old link after a switch, so that applications reconnect at once. Destroys sockets
/// first, since applications wait on them, then deletes conntrack entries. Opens its netlink sockets only
/// while it works.
/// </summary>
internal sealed class FlowRunner : IDisposable
{
    /// <summary>
    /// The largest number of requests in flight. An answer takes about 6 kB of the socket's buffer of at
    /// least 160 kB.
    /// </summary>
    private const int Window = 16;

    private const int MaxTries = 3;
    private const int MaxRounds = 64; // of at most 1024 flows each

    private readonly Loop _loop;
    private readonly Log _log;
    private readonly IReadOnlyList<string> _links;
    private readonly uint _ownMark;
    private readonly byte[] _request; // of _question
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
    private ExchangeSocket? _question; // whether the kernel can end sockets
    private bool _hasAsked;
    private int _seenVersion = -1;
    private string? _seenInPlace;
    private bool _mustRepeat; // no socket could be opened now
    private bool _isAtConntrack;
    private int _tries;
    private int _rounds;

    /// <param name="loop">Watches the netlink sockets.</param>
    /// <param name="log">Receives one line after each switch that ended flows, and each error of the kernel
    /// once.</param>
    /// <param name="links">The names of the links.</param>
    /// <param name="ownMark">The bit of the firewall mark of the daemon's own
    /// sockets, which are left alone.</param>
    /// <param name="request">Asks the kernel whether it can end sockets: it answers EOPNOTSUPP if
    /// not.</param>
    public FlowRunner(Loop loop, Log log, IReadOnlyList<string> links, uint ownMark, byte[] request)
    {
        _request = request;
        _loop = loop;
        _log = log;
        _links = links;
        _ownMark = ownMark;
        _used = new UsedAddresses(links);
    }

    /// <summary>
    /// What cannot be ended and what is done instead, as a phrase for the user; null if there is no such
    /// limit.
    /// </summary>
    public string? Limit { get; private set; }

    /// <summary>
    /// Processes a complete snapshot of the kernel. Ends flows only while the routes use the chosen link: a
    /// DHCP renewal removes a route for a moment and adds it again.
    /// </summary>
    /// <param name="table">The snapshot.</param>
    /// <param name="inPlace">The chosen link if the routes use it, else null.</param>
    public void Observe(KernelState table, string? inPlace)
    {
        if (table.Version == _seenVersion && inPlace == _seenInPlace)
        {
            return;
        }
        _seenVersion = table.Version;
        _seenInPlace = inPlace;
        AskKernel();

        // Earlier answers may be outdated. The dumps find flows again that are not ended yet.
        Close();
        _used.Observe(table);
        _old = inPlace is null ? [] : _used.Old(table, inPlace);
        if (_old.Count > 0)
        {
            _ifindexes =
                [.. _links.Select(link => table.Find(link)?.Ifindex ?? 0).Where(ifindex => ifindex != 0)];
            _tries = 0;
            Start();
        }
    }

    /// <summary>
    /// Asks once whether the kernel can end sockets, so that the user learns it before a switch.
    /// </summary>
    private void AskKernel()
    {
        if (_hasAsked)
        {
            return;
        }
        try
        {
            _question = new ExchangeSocket(_loop, NETLINK_SOCK_DIAG, window: 1);
            _question.Begin([_request], TakeAnswer, _ => EndQuestion());
        }
        catch (Win32Exception error) when (Errno.IsShortage(error.NativeErrorCode))
        {
            return; // ask at the next change
        }
        catch (Win32Exception error)
        {
            CannotEndSockets(error.Message);
        }
        _hasAsked = true;
    }

    private void TakeAnswer(int request, in NetlinkMessage message)
    {
        if (message.ErrorNumber == Errno.EOPNOTSUPP)
        {
            CannotEndSockets("the kernel lacks CONFIG_INET_DIAG_DESTROY");
        }
    }

    private void EndQuestion()
    {
        _question?.Dispose();
        _question = null;
    }

    private void CannotEndSockets(string why)
    {
        if (Limit is null)
        {
            Limit = $"sockets over the old link cannot be ended, since {why}: conntrack entries are deleted "
                + "instead; a locked device then resets their connections";
            _log.Event(EventKind.Switch, Limit, LogLevel.Warn);
        }
    }

    private void Start()
    {
        Close();
        _rounds = 0;
        _isAtConntrack = false;
        _flows = new StaleFlows(_old, _ifindexes, _ownMark);
        if (Limit is not null)
        {
            StartConntrack();
        }
        else if (TryOpen(NETLINK_SOCK_DIAG, "sockets"))
        {
            Dump();
        }
        else
        {
            Finish();
        }
    }

    /// <summary>Opens the sockets. Returns false if the kernel lacks the protocol.</summary>
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
            _mustRepeat |= Errno.IsShortage(error.NativeErrorCode);
            Complain($"cannot list {what}", error.Message);
            return false;
        }
    }

    private void Dump()
    {
        _flows!.BeginDump();
        if (_isAtConntrack)
        {
            _dumps!.Begin([ConntrackMessage.Dump()], TakeEntry, OnDumpEnded);
        }
        else
        {
            _dumps!.Begin([.. _socketDumps.Select(dump => dump.Request)], TakeSocket, OnDumpEnded);
        }
    }

    private void TakeSocket(int request, in NetlinkMessage message)
    {
        byte protocol = _socketDumps[request].Protocol;
        if (message.Type == SockDiagMessage.DumpRow
            && SockDiagMessage.TryRead(protocol, message.Payload, out SockDiagMessage socket))
        {
            _flows!.Take(socket);
        }
        else if (message.ErrorNumber is int error and not 0)
        {
            string name = protocol == SockDiagMessage.Tcp ? "TCP" : "UDP";
            Complain($"cannot list {name} sockets", Errno.Text(error));
        }
    }

    private void TakeEntry(int request, in NetlinkMessage message)
    {
        if (message.Type == ConntrackMessage.DumpRow
            && ConntrackMessage.TryRead(message.Payload, out ConntrackMessage entry))
        {
            _flows!.Take(entry);
        }
        else if (message.ErrorNumber is int error and not 0)
        {
            Complain("cannot list conntrack entries", Errno.Text(error));
        }
    }

    /// <summary>Asks the kernel over which device it routes each peer now.</summary>
    private void OnDumpEnded(bool isComplete)
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
        _routes!.Begin([.. questions.Select(question => question.ToRequest())], Answer, OnRoutesEnded);
    }

    /// <summary>Ends the flows whose peers are now reached over another link.</summary>
    private void OnRoutesEnded(bool isComplete)
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
                case null or Errno.ENOENT or Errno.ESTALE: // the flow has just ended by itself
                    break;
                case 0:
                    _counts[(int)kind]++;
                    break;
                case Errno.EOPNOTSUPP when kind != FlowKind.Conntrack:
                    CannotEndSockets("the kernel lacks CONFIG_INET_DIAG_DESTROY");
                    break;
                case int error:
                    Complain($"cannot end {Name(kind)}", Errno.Text(error));
                    break;
            }
        }
        _ends!.Begin([.. stale.Select(flow => flow.Request)], Count, OnFlowsEnded);
    }

    /// <summary>
    /// Repeats the dump if a table was full; otherwise proceeds from sockets to conntrack, then finishes.
    /// </summary>
    private void OnFlowsEnded(bool isComplete)
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
        StartConntrack();
    }

    /// <summary>
    /// Proceeds to conntrack entries, or ends if that has been done or the kernel has none.
    /// </summary>
    private void StartConntrack()
    {
        if (!_isAtConntrack && TryOpen(NETLINK_NETFILTER, "conntrack entries"))
        {
            _isAtConntrack = true;
            Dump();
            return;
        }
        Finish();
    }

    /// <summary>Starts again after lost messages; flows that are already ended are not found again.</summary>
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
        if (_mustRepeat)
        {
            _mustRepeat = false;
            _seenInPlace = null; // the next wake-up finds the same flows again
        }
        else
        {
            _used.Forget(_old);
        }
        if (_counts.Any(count => count > 0))
        {
            string links = string.Join(", ", _old.Select(old => old.Link).Distinct());
            _log.Event(
                EventKind.Switch,
                $"ended {_counts[(int)FlowKind.Tcp]} TCP and {_counts[(int)FlowKind.Udp]} UDP flows "
                + $"and {_counts[(int)FlowKind.Conntrack]} conntrack entries over {links}");
        }
        Array.Clear(_counts);
    }

    private void Complain(string what, string why)
    {
        if (_complaints.Add(what))
        {
            _log.Event(EventKind.Switch, $"{what}: {why}, ignoring", LogLevel.Warn);
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

    public void Dispose()
    {
        Close();
        EndQuestion();
    }
}
