using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Net;
using ConnMgr.Scripts;

namespace ConnMgr.Firewall;

/// <summary>
/// Opens and closes addresses by fwcfg.sh, one after the other, if the kernel has no address sets. The last
/// request for an address wins. The number of waiting requests is limited, but closings are always accepted.
/// </summary>
/// <remarks>
/// <see cref="Sync"/> sets the rules of all addresses in one step: after a start, after another program may
/// have changed rules, and for as long as single changes fail.
/// </remarks>
internal sealed class AddressRuleRunner : IDisposable
{
    private const int MaxWaiting = 8192;

    /// <summary>fwcfg.sh finds a rule by its comment, so all rules have the same one.</summary>
    private const string Comment = "connmgr";

    private const int LongestDoubling = 6; // 2^6 = 64 s

    /// <summary>
    /// While our scripts run, foreign changes cannot be distinguished from our own. A sync after this time
    /// repairs them.
    /// </summary>
    private static readonly TimeSpan SecondLook = TimeSpan.FromSeconds(5);

    private readonly Loop _loop;
    private readonly Log _log;
    private readonly string _script;
    private readonly Action<List<IpPrefix>> _list;
    private readonly Func<int> _countOpen;
    private readonly Action<IpPrefix> _ended;
    private readonly Action<bool> _changing;
    private readonly ScriptLane _lane;
    private readonly Deadline _nextSync;
    private readonly WaitingChanges _waiting = new();
    // The last change of each address, if it failed. These changes are not in the queue.
    private readonly Dictionary<IpPrefix, Change> _failed = [];
    // The changes that waited when the running sync began.
    private readonly Dictionary<IpPrefix, Change> _syncing = [];
    private Change? _running;
    private bool _isSyncDue;
    private bool _isSyncing;
    private bool _isChanging;
    private int _failures; // failures in a row

    /// <param name="loop">Reports the script's end.</param>
    /// <param name="log">Receives the first failure, and a line when changes succeed again.</param>
    /// <param name="script">The path of fwcfg.sh.</param>
    /// <param name="environment">The script's environment.</param>
    /// <param name="list">Adds all prefixes that must be open, waiting ones included.</param>
    /// <param name="countOpen">Returns about how many there are.</param>
    /// <param name="changing">Called with true before rules are changed, and with false when no change is
    /// left.</param>
    /// <param name="ended">Receives each prefix that was opened, or could not be opened.</param>
    public AddressRuleRunner(
        Loop loop, Log log, string script, IReadOnlyList<string> environment,
        Action<List<IpPrefix>> list, Func<int> countOpen, Action<bool> changing, Action<IpPrefix> ended)
    {
        _loop = loop;
        _log = log;
        _script = script;
        _list = list;
        _countOpen = countOpen;
        _changing = changing;
        _ended = ended;
        _lane = new ScriptLane(loop, environment);
        _nextSync = loop.AddTimer(Sync);
    }

    /// <summary>The number of changes that wait or run.</summary>
    public int Count =>
        _waiting.Count + _syncing.Count + (_running is null ? 0 : 1) + (_isSyncDue || _isSyncing ? 1 : 0);

    /// <summary>Opens a prefix for the device and for extenders.</summary>
    /// <param name="prefix">An address or prefix.</param>
    /// <param name="isUrgent">A DNS reply waits for it: it overtakes changes that are not urgent.</param>
    /// <returns>False if too many changes wait.</returns>
    public bool Add(IpPrefix prefix, bool isUrgent)
    {
        if (_waiting.Count >= MaxWaiting)
        {
            return false;
        }
        Want(new Change(prefix, isAdd: true, isUrgent));
        return true;
    }

    /// <summary>Closes a prefix for the device and for extenders.</summary>
    public void Delete(IpPrefix prefix) => Want(new Change(prefix, isAdd: false, isUrgent: false));

    /// <summary>
    /// Opens all addresses that must be open, and closes every other address that this class opened.
    /// </summary>
    public void Sync()
    {
        _nextSync.Clear();
        _isSyncDue = true;
        Begin();
    }

    /// <summary>True if the prefix waits to be opened.</summary>
    public bool IsAdding(IpPrefix prefix) =>
        _waiting.Find(prefix) is { IsAdd: true }
        || (_syncing.TryGetValue(prefix, out Change? syncing) && syncing.IsAdd)
        || (_running is { IsAdd: true } running && running.Prefix == prefix);

    private void Want(Change change)
    {
        _failed.Remove(change.Prefix);
        _waiting.Put(change);
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
        if (_waiting.Count == 0 && !_isSyncDue)
        {
            _isChanging = false;
            _changing(false);
            return;
        }
        // The rules of closed addresses may still be there.
        _lane.Limit = FirewallRunner.LimitFor(_countOpen() + Count);
        if (!_isChanging)
        {
            _isChanging = true;
            _changing(true);
        }
        if (_isSyncDue && !_waiting.HasUrgent)
        {
            RunSync();
            return;
        }
        Change change = _waiting.TakeFirst();
        _running = change;
        Run(change, change.IsAdd ? "add" : "del", change.IsAdd ? "add_forwarding" : "del_forwarding");
    }

    private void Run(Change change, string verb, string? then) =>
        _lane.Run([_script, verb, change.Prefix.ToString(), Comment], exit =>
        {
            if (exit.Failure is null && then is not null)
            {
                Run(change, then, null);
                return;
            }
            _running = null;
            bool hasFailed = exit.Failure is not null;
            if (hasFailed && _waiting.Find(change.Prefix) is null)
            {
                _failed[change.Prefix] = change;
            }
            Complain($"{verb} {change.Prefix}", exit);
            LookAgain(hasFailed);
            if (change.IsAdd)
            {
                _ended(change.Prefix);
            }
            Begin();
        });

    private void RunSync()
    {
        _isSyncDue = false;
        _isSyncing = true;
        foreach (Change failed in _failed.Values)
        {
            _syncing[failed.Prefix] = failed;
        }
        while (_waiting.Count > 0)
        {
            Change waiting = _waiting.TakeFirst();
            _syncing[waiting.Prefix] = waiting;
        }
        _failed.Clear();
        List<IpPrefix> wanted = [];
        _list(wanted);
        List<string> argv = [_script, "sync", Comment];
        foreach (IpPrefix prefix in wanted)
        {
            argv.Add(prefix.ToString());
        }
        _lane.Run([.. argv], exit => OnSyncEnded(exit, wanted));
    }

    private void OnSyncEnded(ChildExit exit, List<IpPrefix> wanted)
    {
        Change[] syncing = [.. _syncing.Values];
        _syncing.Clear();
        _isSyncing = false;
        if (exit.Failure is null)
        {
            if (_log.Over("rules not changed"))
            {
                _log.Event(EventKind.Firewall, "the rules of all addresses are correct again");
            }
            _failures = 0;
            foreach (Change change in syncing)
            {
                if (change.IsAdd)
                {
                    _ended(change.Prefix);
                }
            }
        }
        else
        {
            Complain("sync", exit);
            LookAgain(hasFailed: true);
            // Try each change by itself: an address that cannot be changed must not block the others.
            foreach (Change change in syncing)
            {
                if (_waiting.Find(change.Prefix) is null)
                {
                    _waiting.Put(new Change(change.Prefix, change.IsAdd, isUrgent: false));
                }
            }
            foreach (IpPrefix prefix in wanted)
            {
                if (_waiting.Count < MaxWaiting && _waiting.Find(prefix) is null)
                {
                    _waiting.Put(new Change(prefix, isAdd: true, isUrgent: false));
                }
            }
        }
        Begin();
    }

    /// <summary>
    /// Schedules the next sync: 5 s after a change, or 2, 4, 8 and so on up to 64 s after a failure.
    /// </summary>
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
        if (exit.Failure is not null)
        {
            string lastLine = exit.Output.TrimEnd().Split('\n')[^1];
            string said = lastLine.Length > 0 ? $", saying {ForeignText.Quote(lastLine)}" : "";
            _log.Once(
                "rules not changed", EventKind.Firewall,
                $"{Path.GetFileName(_script)} {what}: {exit.Failure}{said}, retrying");
        }
    }

    public void Dispose()
    {
        _nextSync.Dispose();
        _lane.Dispose();
    }

    /// <summary>A rule change for one prefix.</summary>
    private sealed class Change(IpPrefix prefix, bool isAdd, bool isUrgent)
    {
        public IpPrefix Prefix => prefix;

        public bool IsAdd => isAdd;

        public bool IsUrgent => isUrgent;
    }

    /// <summary>
    /// The waiting changes, one per prefix, urgent ones first. Every operation takes constant time.
    /// </summary>
    private sealed class WaitingChanges
    {
        private readonly LinkedList<Change> _urgent = [];
        private readonly LinkedList<Change> _others = [];
        private readonly Dictionary<IpPrefix, LinkedListNode<Change>> _nodes = [];

        public int Count => _nodes.Count;

        public bool HasUrgent => _urgent.Count > 0;

        public Change? Find(IpPrefix prefix) =>
            _nodes.TryGetValue(prefix, out LinkedListNode<Change>? node) ? node.Value : null;

        /// <summary>Appends a change, and removes an older one for the same prefix.</summary>
        public void Put(Change change)
        {
            if (_nodes.Remove(change.Prefix, out LinkedListNode<Change>? old))
            {
                old.List!.Remove(old);
            }
            _nodes[change.Prefix] = (change.IsUrgent ? _urgent : _others).AddLast(change);
        }

        public Change TakeFirst()
        {
            LinkedList<Change> list = HasUrgent ? _urgent : _others;
            Change first = list.First!.Value;
            list.RemoveFirst();
            _nodes.Remove(first.Prefix);
            return first;
        }
    }
}
