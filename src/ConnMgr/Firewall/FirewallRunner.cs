using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Net;
using ConnMgr.Scripts;

namespace ConnMgr.Firewall;

/// <summary>
/// Runs init_firewall.sh: at the start, on request, and when another program has changed the rules. If the
/// script fails, <see cref="ClosingRunner"/> closes the device.
/// </summary>
internal sealed class FirewallRunner : IDisposable
{
    /// <summary>
    /// The least time limit of a firewall script. A slow or busy device may take a hundred times as long as a
    /// fast one. A lockdown in force stays in force meanwhile.
    /// </summary>
    private static readonly TimeSpan LeastLimit = TimeSpan.FromSeconds(30);

    /// <summary>
    /// What each open address adds to the limit. Without sets it has six rules, which the scripts read and
    /// write: about 3 ms with iptables-nft on a busy PC.
    /// </summary>
    private static readonly TimeSpan LimitPerAddress = TimeSpan.FromMilliseconds(20);

    /// <summary>
    /// While the script runs, foreign changes cannot be distinguished from its own, so it runs once more
    /// after this time. After a foreign change of nf_tables, which is already undone, it runs up to four more
    /// times, with the wait doubled each time.
    /// </summary>
    private static readonly TimeSpan SecondLook = TimeSpan.FromSeconds(5);

    /// <summary>
    /// The same after a foreign change that only the script repairs: the other program often makes several
    /// changes, and one of them may come during the run. Six more runs, the last one after half a minute.
    /// </summary>
    private static readonly TimeSpan SecondLookAtRepair = TimeSpan.FromSeconds(0.5);

    private const int MostFurtherLooks = 3;

    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(10);

    private const int MostLogged = 100; // foreign changes

    private readonly Loop _loop;
    private readonly Log _log;
    private readonly string _script;
    private readonly Options _options;
    private readonly IReadOnlyList<string> _environment;
    private readonly List<string> _variables = [];
    private readonly Action<string?, LockdownReport> _ended;
    private readonly ScriptLane _lane;
    private readonly ClosingRunner _closing;
    private readonly Deadline _next;
    private readonly Deadline _refilling;
    private readonly RepairSchedule _schedule = new();
    private readonly ForeignRules _foreign = new();
    private NftTableSocket? _tables; // null while the lockdown is in iptables
    private RulesetSocket? _rules; // null otherwise: reading every event twice would delay the restoration
    private Action _refill = () => { };
    private int _mostRules; // since the last good run: those of addresses that were closed may still exist
    private bool _isRepairing; // the script must run because of a foreign change
    private bool _isChanging;
    private bool _isStopping;
    private int _looks; // the number of further runs planned
    private int _furtherLooks; // runs added because the last two differed
    private TimeSpan _nextLook;
    private (int Events, ulong Ipv4, ulong Ipv6)? _lastRun; // what the last run did; null before the first
    private TimeSpan? _disturbedAt; // null while the rules are as the script left them

    /// <param name="loop">Reports the script's end.</param>
    /// <param name="log">The log.</param>
    /// <param name="options">The paths of the scripts and the other directories.</param>
    /// <param name="environment">The script's environment, without the variables that this class
    /// sets.</param>
    /// <param name="ended">Receives the reason of a failure, or null; and the script's report.</param>
    public FirewallRunner(
        Loop loop, Log log, Options options, IReadOnlyList<string> environment,
        Action<string?, LockdownReport> ended)
    {
        _loop = loop;
        _log = log;
        _options = options;
        _script = Path.Combine(options.ScriptDirectory, "init_firewall.sh");
        _environment = environment;
        _ended = ended;
        _lane = new ScriptLane(loop, _variables);
        _closing = new ClosingRunner(loop, log, options, environment, Find);
        _rules = new RulesetSocket(loop, MayChangeRules, Look);
        _next = loop.AddTimer(RunNext);
        _refilling = loop.AddTimer(() => _refill());
        _disturbedAt = loop.Now;
    }

    /// <summary>
    /// Returns the number of open addresses and prefixes that have, or may get, rules of their own; 0 if they
    /// are in sets.
    /// </summary>
    public required Func<int> CountRules { get; init; }

    /// <summary>The backend that the script is to use: `auto`, `nft` or `iptables`.</summary>
    public string Choice { get; set; } = "auto";

    /// <summary>True if the kernel has ipset; null: the script finds out if it needs the sets.</summary>
    public bool? HasSets { get; set; }

    /// <summary>The NFQUEUE for DNS replies; null for none.</summary>
    public ushort? Queue { get; set; }

    /// <summary>The script's variables about name servers and probes.</summary>
    public string[] Services { get; set; } = [];

    /// <summary>True once the script has succeeded. Foreign changes are detected from then on.</summary>
    public bool IsInForce { get; private set; }

    /// <summary>
    /// True while the script that locks, or that restores a foreign change, has not ended: traffic that the
    /// rules allow may be dropped. False after 30 s at the latest, so that no caller waits indefinitely.
    /// </summary>
    public bool IsDisturbed => _disturbedAt is { } since && _loop.Now - since < LeastLimit;

    /// <summary>
    /// True if the last run failed because something is missing that another run will not find either: the
    /// script, both nft and iptables, or usable names in netif_names.
    /// </summary>
    public bool NeedsCorrection { get; private set; }

    /// <summary>
    /// True if the last run failed only because another program held the lock of iptables. The script runs
    /// again, also if the device was never locked.
    /// </summary>
    public bool IsHeldUp { get; private set; }

    /// <summary>
    /// True if the lockdown in nf_tables is as the script left it. False after a foreign change that could
    /// not be undone, until the script has succeeded; always false in iptables.
    /// </summary>
    public bool IsTableIntact { get; private set; }

    /// <summary>True if the tables of nf_tables have the chains that filter.</summary>
    public bool IsLockedByTables => _tables is { IsLockdown: true };

    /// <summary>The number of foreign changes found.</summary>
    public int RepairCount { get; private set; }

    /// <summary>
    /// When <see cref="TakeForeignChange"/> becomes true; TimeSpan.MaxValue if other programs have added no
    /// rules.
    /// </summary>
    public TimeSpan NextProbe => _foreign.NextDeadline;

    /// <summary>The number of runs of init_firewall.sh that failed.</summary>
    public int FailureCount { get; private set; }

    /// <summary>True if the last run failed.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>True while a script or a program runs that must end before the daemon exits.</summary>
    public bool IsBusy => _lane.IsBusy || _closing.IsBusy;

    /// <summary>Watches nf_tables: the kernel reports foreign changes, and they are undone at once.</summary>
    /// <param name="setsPort">The netlink port id of the daemon's own changes.</param>
    /// <param name="refill">Called when the tables were created again with empty sets.</param>
    /// <param name="elementGone">Receives each address that another program has deleted; null if the address
    /// is unknown.</param>
    public void WatchTables(uint setsPort, Action refill, Action<IpNumber?> elementGone)
    {
        _refill = refill;
        _rules?.Dispose();
        _rules = null;
        _tables = new NftTableSocket(_loop, setsPort, SeeDamage, elementGone, LogProgram);
    }

    /// <summary>Undoes a foreign change of the tables now, if there is one.</summary>
    public void RestoreFirst() => _tables?.RestoreFirst();

    /// <summary>Watches iptables, because the script did not use nf_tables.</summary>
    public void WatchIptables()
    {
        _tables?.Dispose();
        _tables = null;
        IsTableIntact = false;
        _rules ??= new RulesetSocket(_loop, MayChangeRules, Look);
        _rules.Remember();
    }

    /// <summary>
    /// Runs the script now, or after the current run; not once <see cref="Stop"/> was called.
    /// </summary>
    public void Run() => Run(looks: 1, SecondLook);

    /// <summary>
    /// Starts no further run, because the daemon ends. A running script continues to its end.
    /// </summary>
    public void Stop()
    {
        _isStopping = true;
        _next.Clear();
        _lane.DropWaiting();
    }

    private void RunNext()
    {
        if (_isRepairing)
        {
            Run(looks: 4, SecondLook);
            return;
        }
        _looks--;
        _nextLook *= 2;
        Start();
    }

    private void Run(int looks, TimeSpan firstLook)
    {
        _looks = looks;
        _furtherLooks = 0;
        _nextLook = firstLook;
        Start();
    }

    private void Start()
    {
        if (_isStopping)
        {
            return;
        }
        _next.Clear();
        _isRepairing = false;
        _variables.Clear();
        _variables.AddRange(_environment);
        _variables.Add($"CONNMGR_FIREWALL={Choice}");
        _variables.Add($"CONNMGR_MARK_BIT={_options.MarkBit}");
        _variables.Add($"CONNMGR_AUDIT={(_options.Audits ? "yes" : "no")}");
        if (HasSets is { } hasSets)
        {
            _variables.Add($"CONNMGR_SETS={(hasSets ? "yes" : "no")}");
        }
        if (_tables is { } tables)
        {
            tables.IsPaused = true;
        }
        _variables.Add($"CONNMGR_QUEUE={Queue}");
        _variables.AddRange(Services);
        _mostRules = Math.Max(_mostRules, CountRules());
        _lane.Limit = LimitFor(_mostRules);
        _lane.Run([_script], exit =>
        {
            OnScriptEnded(exit);
            // A run that was requested meanwhile begins now. Its changes are not foreign either.
            if (_tables is { } present && _lane.IsBusy)
            {
                present.IsPaused = true;
            }
        });
    }

    /// <summary>Returns the time limit of a firewall script, whose work grows with the addresses.</summary>
    /// <param name="ruleCount">The number of addresses and prefixes that have rules of their own.</param>
    public static TimeSpan LimitFor(int ruleCount) => LeastLimit + (ruleCount * LimitPerAddress);

    /// <summary>
    /// Checks that the rules are as the script left them, if the kernel does not report changes (legacy
    /// iptables). It is cheap; call it every few seconds.
    /// </summary>
    public void Look()
    {
        if (IsWatching && _rules is { } rules && (_isChanging ? rules.HasFrameChanged() : rules.HasChanged()))
        {
            SeeChange();
        }
    }

    /// <summary>Call it before and after fwcfg.sh changes the rules of addresses.</summary>
    public void SetChanging(bool isChanging)
    {
        Look(); // detect a foreign change before our own hides it
        _isChanging = isChanging;
        if (IsWatching)
        {
            _rules?.Remember();
        }
    }

    /// <summary>
    /// True if the links must be probed because other programs have added rules to their own tables. Call it
    /// after each batch of events.
    /// </summary>
    public bool TakeForeignChange() =>
        _foreign.TakeDue((_rules?.OtherChanges ?? 0) + (_tables?.OtherChanges ?? 0), _loop.Now);

    private bool MayChangeRules() => _lane.IsBusy || _isChanging;

    /// <summary>
    /// True if a ruleset change must be foreign: none of our scripts runs, and no repair is pending.
    /// </summary>
    private bool IsWatching => IsInForce && !_lane.IsBusy && !_isRepairing && _tables is null;

    /// <summary>Closes the device if the script cannot lock it.</summary>
    /// <param name="done">Called once, whether closing succeeded or not.</param>
    public void Close(Action done) => _closing.Close(Choice, done);

    /// <summary>Returns the path of a program as the scripts find it; null if it does not exist.</summary>
    public string? Find(string program) => ScriptEnvironment.Find(program, _environment);

    /// <summary>
    /// Handles a foreign change of the tables. <see cref="NftTableSocket"/> has usually restored them
    /// already, after each change. Then the script runs only because firewall.user may have created tables of
    /// its own, and at a limited rate: while it runs, the tables cannot be restored.
    /// </summary>
    private void SeeDamage(bool isRestored)
    {
        if (!IsInForce)
        {
            return; // the script creates everything
        }
        RepairCount++;
        IsTableIntact = isRestored;
        if (!isRestored)
        {
            RepairNow();
            return;
        }
        _refilling.Set(_loop.Now); // the next change may be there already, and is undone first
        if (!_isRepairing)
        {
            _isRepairing = true;
            _next.Set(_schedule.Next(_loop.Now));
            WarnIfPersistent();
        }
    }

    private void LogProgram(string program) => LogChange(
        $"{program} changed the lockdown, {(IsTableIntact ? "restored" : "restoring")} it");

    private void SeeChange()
    {
        RepairCount++;
        LogChange("another program changed the firewall, restoring it");
        RepairNow();
    }

    private void LogChange(string words) => _log.Event(
        EventKind.Firewall, words, RepairCount <= MostLogged ? LogLevel.Info : LogLevel.Debug);

    /// <summary>
    /// Runs the script, because the rules are not in force: now, or after its present run, however often
    /// another program changes them.
    /// </summary>
    private void RepairNow()
    {
        _disturbedAt ??= _loop.Now;
        _schedule.RepairNow(_loop.Now);
        WarnIfPersistent();
        Run(looks: 6, SecondLookAtRepair);
    }

    private void WarnIfPersistent()
    {
        if (_schedule.IsPersistent)
        {
            _log.Event(
                EventKind.Firewall,
                "another program changes the firewall again and again, restoring it each time",
                LogLevel.Warn);
        }
    }

    private void OnScriptEnded(ChildExit exit)
    {
        HasFailed = exit.Failure is not null;
        const int LockIsHeld = 75; // EX_TEMPFAIL
        IsHeldUp = HasFailed && exit.Code == LockIsHeld;
        if (exit.Failure is { } failure)
        {
            FailureCount++;
            const int BadConfiguration = 78; // EX_CONFIG
            NeedsCorrection = exit.Code == BadConfiguration || !File.Exists(_script);
            if (_tables is { } tables)
            {
                IsTableIntact = tables.Resume() && IsInForce;
            }
            if (IsTableIntact)
            {
                _refill();
            }
            // Without the table, the policies now drop what the rules would allow.
            _disturbedAt = IsInForce && !IsTableIntact ? _disturbedAt ?? _loop.Now : null;
            _ended($"{Path.GetFileName(_script)}: {failure}{Said(exit)}", LockdownReport.Read(exit.Output));
            if ((IsInForce || IsHeldUp || _options.ManagesLinksUnlocked) && !_isStopping)
            {
                _isRepairing = true;
                _next.Set(_loop.Now + Retry);
            }
            return;
        }
        IsInForce = true;
        _mostRules = CountRules();
        _disturbedAt = null;
        LockdownReport report = LockdownReport.Read(exit.Output);
        bool isIntact = true;
        if (_rules is { } rules)
        {
            (int, ulong, ulong) run = rules.Remember();
            LookAgainUnless(run == _lastRun);
            _lastRun = run;
        }
        else if (report.IsNft != false && _tables is { } tables)
        {
            isIntact = tables.Remember();
            IsTableIntact = isIntact;
            LookAgainUnless(tables.IsAsBefore);
        }
        if (_looks > 0 && !_isStopping)
        {
            _next.Set(_loop.Now + _nextLook);
        }
        if (!isIntact)
        {
            SeeDamage(_tables!.Restore()); // a change between the script's transaction and its end
        }
        _ended(null, report);
    }

    /// <summary>
    /// Plans another run unless the last two were alike: another program may have changed the rules after
    /// this run had written them.
    /// </summary>
    private void LookAgainUnless(bool isAlike)
    {
        if (_looks == 0 && !isAlike && _furtherLooks < MostFurtherLooks)
        {
            _furtherLooks++;
            _looks = 1;
        }
    }

    /// <summary>Returns what a program said last, as the end of a log line; "" if nothing.</summary>
    internal static string Said(ChildExit exit)
    {
        string lastLine = exit.Output.TrimEnd().Split('\n')[^1];
        return lastLine.Length > 0 ? $", saying {ForeignText.Quote(lastLine)}" : "";
    }

    public void Dispose()
    {
        _next.Dispose();
        _refilling.Dispose();
        _lane.Dispose();
        _closing.Dispose();
        _tables?.Dispose();
        _rules?.Dispose();
    }
}
