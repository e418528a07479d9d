using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Net;
using ConnMgr.Scripts;

namespace ConnMgr.Firewall;

/// <summary>
/// Opens and closes addresses by fwcfg.sh, one after the other, where the kernel has no address sets. What is wanted of an
/// address last is what is done in the end. No more may wait than its bound; what is to be closed always may.
/// </summary>
/// <remarks>
/// <see cref="Sync"/> makes the rules of all addresses what they should be, in one step: after a start, when others may have
/// changed something, and, until it is done, when something could not be.
/// </remarks>
internal sealed class AddressRuleRunner : IDisposable
{
    private const int MaxWaiting = 8192;

    /// <summary>A rule is found again by its comment, so it is the same for all.</summary>
    private const string Comment = "connmgr";

    private const int LongestDoubling = 6; // 2^6 = 64 s

    /// <summary>What others did while our scripts ran cannot be told from what these did: it is put right by then.</summary>
    private static readonly TimeSpan SecondLook = TimeSpan.FromSeconds(5);

    private readonly Loop _loop;
    private readonly string _script;
    private readonly Action<List<IpPrefix>> _list;
    private readonly Action<IpPrefix> _ended;
    private readonly Action<string> _report;
    private readonly Action<string> _complain;
    private readonly Action<bool> _changing;
    private readonly ScriptLane _lane;
    private readonly Deadline _nextSync;
    private readonly List<Wish> _waiting = [];
    private readonly List<Wish> _failed = []; // one of an address, none that waits
    private readonly List<Wish> _syncing = []; // what waited when the sync that runs was begun
    private Wish? _running;
    private bool _isSyncDue;
    private bool _isSyncing;
    private bool _isChanging;
    private int _failures; // in a row
    private bool _hasComplained;

    /// <param name="loop">Where the script's end arrives.</param>
    /// <param name="script">The path of fwcfg.sh.</param>
    /// <param name="environment">What it gets.</param>
    /// <param name="list">Adds all that is to be open, what waits to be opened included.</param>
    /// <param name="changing">Called with true before rules are changed, and with false when there is nothing left to do.</param>
    /// <param name="ended">Gets each address that was opened, or could not be.</param>
    /// <param name="report">Gets a line for the log when all is well again.</param>
    /// <param name="complain">Gets one about the first thing that could not be done, and is tried again until all is well.</param>
    public AddressRuleRunner(
        Loop loop, string script, IReadOnlyList<string> environment,
        Action<List<IpPrefix>> list, Action<bool> changing, Action<IpPrefix> ended, Action<string> report,
        Action<string> complain)
    {
        _loop = loop;
        _script = script;
        _list = list;
        _changing = changing;
        _ended = ended;
        _report = report;
        _complain = complain;
        _lane = new ScriptLane(loop, environment);
        _nextSync = loop.AddTimer(Sync);
    }

    /// <summary>How many wait, or are being done.</summary>
    public int Count => _waiting.Count + _syncing.Count + (_running is null ? 0 : 1) + (_isSyncDue || _isSyncing ? 1 : 0);

    /// <summary>Opens it for the device and for extenders.</summary>
    /// <param name="prefix">An address or prefix.</param>
    /// <param name="isUrgent">Somebody waits for it: before those that nobody waits for.</param>
    /// <returns>False: there is no room now.</returns>
    public bool Add(IpPrefix prefix, bool isUrgent)
    {
        if (_waiting.Count >= MaxWaiting)
        {
            return false;
        }
        Want(new Wish(prefix, IsAdd: true, isUrgent));
        return true;
    }

    public void Delete(IpPrefix prefix) => Want(new Wish(prefix, IsAdd: false, IsUrgent: false));

    /// <summary>Opens all that is to be open, and closes all else that was ever opened in this way.</summary>
    public void Sync()
    {
        _nextSync.Clear();
        _isSyncDue = true;
        Begin();
    }

    /// <summary>It is not open yet.</summary>
    public bool IsAdding(IpPrefix prefix) =>
        _waiting.Exists(wish => wish.IsAdd && wish.Prefix == prefix)
        || _syncing.Exists(wish => wish.IsAdd && wish.Prefix == prefix)
        || (_running is { IsAdd: true } running && running.Prefix == prefix);

    private void Want(Wish wish)
    {
        _waiting.RemoveAll(other => other.Prefix == wish.Prefix);
        _failed.RemoveAll(other => other.Prefix == wish.Prefix);
        int at = _waiting.Count;
        if (wish.IsUrgent)
        {
            at = 0;
            while (at < _waiting.Count && _waiting[at].IsUrgent)
            {
                at++;
            }
        }
        _waiting.Insert(at, wish);
        Begin();
    }

    private void Begin()
    {
        if (_running is null && !_isSyncing)
        {
            RunNext();
        }
    }

    private void RunNext()
    {
        bool isUrgent = _waiting.Count > 0 && _waiting[0].IsUrgent;
        if (_waiting.Count == 0 && !_isSyncDue)
        {
            _isChanging = false;
            _changing(false);
            return;
        }
        if (!_isChanging)
        {
            _isChanging = true;
            _changing(true);
        }
        if (_isSyncDue && !isUrgent)
        {
            RunSync();
            return;
        }
        Wish wish = _waiting[0];
        _waiting.RemoveAt(0);
        _running = wish;
        Run(wish, wish.IsAdd ? "add" : "del", wish.IsAdd ? "add_forwarding" : "del_forwarding");
    }

    private void Run(Wish wish, string verb, string? then) =>
        _lane.Run([_script, verb, wish.Prefix.ToString(), Comment], exit =>
        {
            if (exit.Failure is null && then is not null)
            {
                Run(wish, then, null);
                return;
            }
            _running = null;
            bool hasFailed = exit.Failure is not null;
            if (hasFailed && !_waiting.Exists(newer => newer.Prefix == wish.Prefix))
            {
                _failed.Add(wish);
            }
            Complain($"{verb} {wish.Prefix}", exit);
            LookAgain(hasFailed);
            if (wish.IsAdd)
            {
                _ended(wish.Prefix);
            }
            Begin();
        });

    private void RunSync()
    {
        _isSyncDue = false;
        _isSyncing = true;
        _syncing.AddRange(_waiting);
        _syncing.AddRange(_failed);
        _waiting.Clear();
        _failed.Clear();
        List<IpPrefix> wanted = [];
        _list(wanted);
        List<string> argv = [_script, "sync", Comment];
        foreach (IpPrefix prefix in wanted)
        {
            argv.Add(prefix.ToString());
        }
        _lane.Run([.. argv], exit => EndSync(exit, wanted));
    }

    private void EndSync(ChildExit exit, List<IpPrefix> wanted)
    {
        Wish[] syncing = [.. _syncing];
        _syncing.Clear();
        _isSyncing = false;
        if (exit.Failure is null)
        {
            if (_hasComplained)
            {
                _report("the rules of all addresses are as they should be again");
            }
            (_failures, _hasComplained) = (0, false);
            foreach (Wish wish in syncing)
            {
                if (wish.IsAdd)
                {
                    _ended(wish.Prefix);
                }
            }
        }
        else
        {
            Complain("sync", exit);
            LookAgain(hasFailed: true);
            // Each for itself, then: one that cannot be done keeps no other from it.
            HashSet<IpPrefix> newer = [];
            foreach (Wish wish in _waiting)
            {
                newer.Add(wish.Prefix);
            }
            foreach (Wish wish in syncing)
            {
                if (newer.Add(wish.Prefix))
                {
                    _waiting.Add(wish);
                }
            }
            foreach (IpPrefix prefix in wanted)
            {
                if (_waiting.Count < MaxWaiting && newer.Add(prefix))
                {
                    _waiting.Add(new Wish(prefix, IsAdd: true, IsUrgent: false));
                }
            }
        }
        Begin();
    }

    /// <summary>Something was changed, or could not be: the next sync after 5 s, or after 2, 4, 8 and so on to 64 s.</summary>
    private void LookAgain(bool hasFailed)
    {
        if (_nextSync.IsSet || _isSyncDue)
        {
            return;
        }
        _failures = hasFailed ? Math.Min(_failures + 1, LongestDoubling) : _failures;
        _nextSync.Set(_loop.Now + (hasFailed ? TimeSpan.FromSeconds(1 << _failures) : SecondLook));
    }

    private void Complain(string what, ChildExit exit)
    {
        if (exit.Failure is not null && !_hasComplained)
        {
            _hasComplained = true;
            string lastLine = exit.Output.TrimEnd().Split('\n')[^1];
            string said = lastLine.Length > 0 ? $", saying {Log.Quote(lastLine)}" : "";
            _complain($"{Path.GetFileName(_script)} {what}: {exit.Failure}{said}, retrying");
        }
    }

    public void Dispose()
    {
        _nextSync.Dispose();
        _lane.Dispose();
    }

    private sealed record Wish(IpPrefix Prefix, bool IsAdd, bool IsUrgent);
}
