using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Net;
using ConnMgr.Scripts;

namespace ConnMgr.Firewall;

/// <summary>
/// Runs init_firewall.sh: at the start, on request, and when another program has changed the rules. If the script fails,
/// closes the firewall by the policies of the built-in chains.
/// </summary>
internal sealed class FirewallRunner : IDisposable
{
    /// <summary>
    /// When a firewall script is killed. Its work grows with the addresses that it renders and with what it has to try out, and
    /// a slow or busy device may take a hundred times as long as a fast one. A lockdown in force stays in force meanwhile.
    /// </summary>
    internal static readonly TimeSpan ScriptLimit = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Foreign changes made while the script runs cannot be told from its own. So the script runs once more after this
    /// time; after a foreign change up to four times, after twice as long each time.
    /// </summary>
    private static readonly TimeSpan SecondLook = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(10);

    private const int MostLogged = 100; // foreign changes

    private static readonly string[] Hooks = ["INPUT", "FORWARD", "OUTPUT"];

    private readonly Loop _loop;
    private readonly Log _log;
    private readonly string _script;
    private readonly Options _options;
    private readonly IReadOnlyList<string> _environment;
    private readonly List<string> _variables = [];
    private readonly Action<string?, LockdownReport> _ended;
    private readonly ScriptLane _lane;
    private readonly ScriptLane _closing;
    private readonly RulesetSocket _rules;
    private readonly Deadline _next;
    private readonly RepairSchedule _schedule = new();
    private NftTableSocket? _tables; // null: the lockdown is in iptables
    private Action _refill = () => { };
    private bool _isRepairing; // the script is due because of a foreign change
    private bool _isChanging;
    private int _looks; // how many further runs are planned
    private TimeSpan _nextLook;
    private TimeSpan? _disturbedAt; // null: the rules are as the script left them

    /// <param name="loop">Where the script's end arrives.</param>
    /// <param name="log">The log.</param>
    /// <param name="options">Where the scripts and the other directories are.</param>
    /// <param name="environment">The script's environment, without the variables that it sets itself.</param>
    /// <param name="ended">Gets the reason of a failure, or null and the script's report.</param>
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
        _lane = new ScriptLane(loop, _variables, ScriptLimit);
        _closing = new ScriptLane(loop, environment);
        _rules = new RulesetSocket(loop, Look);
        _next = loop.AddTimer(RunNext);
        _disturbedAt = loop.Now;
    }

    /// <summary>What the script is to lock by: `auto`, `nft` or `iptables`.</summary>
    public string Choice { get; set; } = "auto";

    /// <summary>The kernel has the address sets of ipset; null: the script finds out, if it needs them.</summary>
    public bool? HasSets { get; set; }

    /// <summary>The NFQUEUE for DNS replies; null: none.</summary>
    public ushort? Queue { get; set; }

    /// <summary>The script has succeeded once. Foreign changes are noticed from then on.</summary>
    public bool IsInForce { get; private set; }

    /// <summary>
    /// The script has not ended yet that locks, or that restores what another program has changed: traffic that the rules
    /// allow may be dropped. False after <see cref="ScriptLimit"/> in any case, so that nothing waits for ever.
    /// </summary>
    public bool IsDisturbed => _disturbedAt is { } since && _loop.Now - since < ScriptLimit;

    /// <summary>
    /// The last run failed for want of something that another run will not find either: the script, both nft and
    /// iptables, or usable names in netif_names.
    /// </summary>
    public bool NeedsCorrection { get; private set; }

    /// <summary>How many foreign changes were found.</summary>
    public int RepairCount { get; private set; }

    public bool IsBusy => _lane.IsBusy || _closing.IsBusy;

    /// <summary>The lockdown is in nf_tables: foreign changes are reported by the kernel, and undone at once.</summary>
    /// <param name="setsPort">The netlink address of the daemon's own changes.</param>
    /// <param name="refill">Called when the tables were made anew, with sets that are empty.</param>
    /// <param name="elementGone">Gets each address that another program has deleted; null: nobody knows which.</param>
    public void WatchTables(uint setsPort, Action refill, Action<IpNumber?> elementGone)
    {
        _refill = refill;
        _tables = new NftTableSocket(_loop, setsPort, SeeDamage, elementGone, LogProgram);
    }

    /// <summary>The lockdown is in iptables after all.</summary>
    public void WatchIptables()
    {
        _tables?.Dispose();
        _tables = null;
        _rules.Remember();
    }

    /// <summary>Runs the script now, or after the run that is under way.</summary>
    public void Run() => Run(looks: 1);

    private void RunNext()
    {
        if (_isRepairing)
        {
            Run(looks: 4);
            return;
        }
        _looks--;
        _nextLook *= 2;
        Start();
    }

    private void Run(int looks)
    {
        _looks = looks;
        _nextLook = SecondLook;
        Start();
    }

    private void Start()
    {
        _next.Clear();
        _isRepairing = false;
        _variables.Clear();
        _variables.AddRange(_environment);
        _variables.Add($"CONNMGR_FIREWALL={Choice}");
        if (HasSets is { } hasSets)
        {
            _variables.Add($"CONNMGR_SETS={(hasSets ? "yes" : "no")}");
        }
        if (_tables is { } tables)
        {
            tables.IsPaused = true;
        }
        _variables.Add($"CONNMGR_QUEUE={Queue}");
        _lane.Run([_script], End);
    }

    /// <summary>
    /// Checks that the rules are as the script left them, where the kernel does not report changes (legacy iptables).
    /// Cheap; call it every few seconds.
    /// </summary>
    public void Look()
    {
        if (IsWatching && (_isChanging ? _rules.HasFrameChanged() : _rules.HasChanged()))
        {
            SeeChange();
        }
    }

    /// <summary>To be called before and after fwcfg.sh changes rules of addresses.</summary>
    public void SetChanging(bool isChanging)
    {
        Look(); // our own change must not hide a foreign one
        _isChanging = isChanging;
        if (IsWatching)
        {
            _rules.Remember();
        }
    }

    /// <summary>True if a ruleset change must be foreign: no script of ours is running and no repair is pending.</summary>
    private bool IsWatching => IsInForce && !_lane.IsBusy && !_isRepairing && _tables is null;

    /// <summary>
    /// Shuts the device, for when the script cannot lock it: by boot_lockdown.sh where there is nft. Else sets the
    /// policies of both families to DROP, by the platform's variant of iptables only: packets pass both variants, and
    /// nothing would ever open the one that is not in use.
    /// </summary>
    /// <param name="done">Called once, whether it worked or not.</param>
    public void Close(Action done)
    {
        string shutting = Path.Combine(_options.ScriptDirectory, "boot_lockdown.sh");
        if (Choice == "iptables" || Find("nft") is null || !File.Exists(shutting))
        {
            ClosePolicies(done);
            return;
        }
        string[] argv =
        [
            shutting, "--firewall", Choice, "--script-dir", _options.ScriptDirectory,
            "--config-dir", _options.ConfigDirectory, "--run-dir", _options.RunDirectory,
        ];
        _closing.Run(argv, exit =>
        {
            const int IsShut = 1;
            if (exit.Code is not (0 or IsShut))
            {
                ClosePolicies(done);
                return;
            }
            _log.Event(EventKind.Firewall, $"closed by boot_lockdown.sh{Said(exit)}", LogLevel.Error);
            done();
        });
    }

    private void ClosePolicies(Action done) => Close("iptables", 0, isIpv4Closed => Close("ip6tables", 0, isIpv6Closed =>
    {
        _log.Event(
            EventKind.Firewall,
            isIpv4Closed && isIpv6Closed
                ? "closed: the policies of INPUT, FORWARD and OUTPUT are DROP"
                : "the policies could not be set to DROP either",
            LogLevel.Error);
        done();
    }));

    private void Close(string name, int variant, Action<bool> done)
    {
        string[] variants = [name, $"{name}-nft", $"{name}-legacy"];
        if (variant == variants.Length)
        {
            done(false);
        }
        else if (Find(variants[variant]) is { } program)
        {
            SetPolicy(program, 0, isDone =>
            {
                if (isDone)
                {
                    done(true);
                }
                else
                {
                    Close(name, variant + 1, done);
                }
            });
        }
        else
        {
            Close(name, variant + 1, done);
        }
    }

    private void SetPolicy(string program, int hook, Action<bool> done)
    {
        if (hook == Hooks.Length)
        {
            done(true);
            return;
        }
        _closing.Run([program, "-w", "5", "-P", Hooks[hook], "DROP"], exit =>
        {
            if (exit.Failure is null)
            {
                SetPolicy(program, hook + 1, done);
                return;
            }
            _log.Event(
                EventKind.Firewall, $"{program} -P {Hooks[hook]} DROP: {exit.Failure}{Said(exit)}", LogLevel.Warn);
            done(false);
        });
    }

    /// <summary>The path of a program that the scripts find; null if there is none.</summary>
    public string? Find(string program)
    {
        foreach (string variable in _environment)
        {
            if (!variable.StartsWith("PATH=", StringComparison.Ordinal))
            {
                continue;
            }
            foreach (string directory in variable[5..].Split(':'))
            {
                string path = Path.Combine(directory, program);
                if (directory.Length > 0 && File.Exists(path))
                {
                    return path;
                }
            }
        }
        return null;
    }

    /// <summary>
    /// Another program has changed the tables. As a rule they are as they were already, however often that happens. The
    /// script runs as well, since firewall.user may have made tables of its own; but not all the time.
    /// </summary>
    private void SeeDamage(bool isRestored)
    {
        if (!IsInForce)
        {
            return; // the script makes all of it
        }
        RepairCount++;
        if (!isRestored)
        {
            _isRepairing = true;
            _disturbedAt ??= _loop.Now;
            RunNext();
            return;
        }
        _refill();
        if (!_isRepairing)
        {
            _isRepairing = true;
            _next.Set(_schedule.Next(_loop.Now));
            if (_schedule.IsFight)
            {
                _log.Event(
                    EventKind.Firewall,
                    "another program changes the firewall again and again, restoring it each time", LogLevel.Warn);
            }
        }
    }

    private void LogProgram(string program) => _log.Event(
        EventKind.Firewall, $"{program} changed the lockdown, restored it",
        RepairCount <= MostLogged ? LogLevel.Info : LogLevel.Debug);

    private void SeeChange()
    {
        TimeSpan now = _loop.Now;
        TimeSpan at = _schedule.Next(now);
        RepairCount++;
        _isRepairing = true;
        _disturbedAt ??= now;
        if (_schedule.IsFight)
        {
            _log.Event(
                EventKind.Firewall,
                "another program changes the firewall again and again, restoring it at most every 8 s", LogLevel.Warn);
        }
        _log.Event(EventKind.Firewall, "another program changed the firewall, restoring it");
        if (at <= now)
        {
            RunNext();
        }
        else
        {
            _next.Set(at);
        }
    }

    private void End(ChildExit exit)
    {
        if (exit.Failure is { } failure)
        {
            const int BadConfiguration = 78; // EX_CONFIG
            NeedsCorrection = exit.Code == BadConfiguration || !File.Exists(_script);
            if (_tables is { } unchanged)
            {
                unchanged.IsPaused = false;
            }
            _ended($"{Path.GetFileName(_script)}: {failure}{Said(exit)}", default);
            if (IsInForce || _options.ManagesLinksUnlocked)
            {
                _isRepairing = true;
                _next.Set(_loop.Now + Retry);
            }
            return;
        }
        IsInForce = true;
        _disturbedAt = null;
        if (_looks > 0)
        {
            _next.Set(_loop.Now + _nextLook);
        }
        if (_tables is null)
        {
            _rules.Remember();
        }
        else if (!_tables.Remember())
        {
            SeeDamage(_tables.Restore()); // between the script's transaction and its end
        }
        _ended(null, LockdownReport.Read(exit.Output));
    }

    private static string Said(ChildExit exit)
    {
        string lastLine = exit.Output.TrimEnd().Split('\n')[^1];
        return lastLine.Length > 0 ? $", saying {ForeignText.Quote(lastLine)}" : "";
    }

    public void Dispose()
    {
        _next.Dispose();
        _lane.Dispose();
        _closing.Dispose();
        _tables?.Dispose();
        _rules.Dispose();
    }
}
