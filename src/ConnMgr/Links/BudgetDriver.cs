using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;
using Tmds.Linux;

namespace ConnMgr.Links;

/// <summary>
/// The I/O side of the budgets: reads the kernel's counters each tick, tells the links when a budget is used
/// up, and keeps the accounts in a file that survives a reboot, with few writes to flash.
/// </summary>
internal sealed unsafe class BudgetDriver
{
    /// <summary>The shortest time between two writes, so at most 144 a day.</summary>
    private static readonly TimeSpan SaveGap = TimeSpan.FromMinutes(10);

    private readonly Loop _loop;
    private readonly Log _log;
    private readonly Options _options;
    private readonly KernelState _state;
    private readonly LinkDriver _links;
    private readonly SteadyClock _clock = new();
    private readonly string _directory;
    private readonly string _path;
    private readonly string _boot;
    private readonly List<BudgetAccount> _accounts = []; // also of links that have no budget at present
    private List<ByteBudget> _budgets = [];
    private bool _isLoaded;
    private TimeSpan? _savedAt;
    private TimeSpan _startedAt;

    /// <param name="loop">The process's event loop.</param>
    /// <param name="log">Receives warnings at 80 % and 100 %, and faults of the file.</param>
    /// <param name="options">The directory of the file, and what happens to a link over its budget.</param>
    /// <param name="state">The kernel's devices.</param>
    /// <param name="links">The links; learns which of them are over their budgets.</param>
    public BudgetDriver(Loop loop, Log log, Options options, KernelState state, LinkDriver links)
    {
        _loop = loop;
        _log = log;
        _options = options;
        _state = state;
        _links = links;
        _directory = options.StateDirectory
            ?? (Directory.Exists("/var/lib") && !IsInMemory("/var/lib") ? "/var/lib/connmgr"
                : options.ConfigDirectory);
        _path = Path.Combine(_directory, "budget");
        _boot = BootId.Read();
    }

    /// <summary>Why the accounts would not survive a reboot, as a phrase; null if they would.</summary>
    public string? Trouble { get; private set; }

    /// <summary>Returns the budget of a link; null if it has none.</summary>
    public ByteBudget? Find(string link)
    {
        foreach (ByteBudget budget in _budgets)
        {
            if (budget.Name == link)
            {
                return budget;
            }
        }
        return null;
    }

    /// <summary>
    /// Reads the accounts, unless they have been read or no link has a budget. A reload calls it before
    /// anything takes effect: with a temporary error it is refused, and the daemon goes on.
    /// </summary>
    /// <param name="names">The new configuration.</param>
    /// <returns>Why they cannot be read now, as a phrase; null if nothing is in the way.</returns>
    public string? Load(NetifNames names) =>
        TryLoad(names) is int errno and not 0 ? $"{_path}: {Errno.Text(errno)}" : null;

    /// <summary>
    /// Takes the budgets of the configuration, at the start and after a reload. Call it when the kernel's
    /// devices are known.
    /// </summary>
    public void Set(NetifNames names)
    {
        Errno.ThrowIfShortage(TryLoad(names), _path); // at the start, exit; init restarts the daemon
        List<ByteBudget> budgets = [];
        foreach (NamedLink link in names.Links)
        {
            if (link.Budget > 0)
            {
                ByteBudget budget = Open(link.Key, link.Name);
                (budget.Name, budget.Limit, budget.Day) = (link.Name, link.Budget, names.BudgetDay);
                budgets.Add(budget);
            }
        }
        _budgets = budgets;
        foreach (NamedLink link in names.Links)
        {
            if (Find(link.Name) is null)
            {
                _links.SetBudget(link.Name, LinkBudget.Within);
            }
        }
        Tick(reportsAll: true);
    }

    /// <summary>
    /// Counts, and writes the accounts if enough bytes or time have passed since the last write. Call it
    /// every tick.
    /// </summary>
    public void Tick() => Tick(reportsAll: false);

    /// <param name="reportsAll">True to report the state of each budget to its link, even if it is the same.
    /// </param>
    private void Tick(bool reportsAll)
    {
        if (_budgets.Count == 0)
        {
            return;
        }
        TimeSpan now = _loop.Now;
        Count(now, reportsAll);
        TimeSpan unsaved = now - (_savedAt ?? _startedAt);
        if ((_savedAt is null || unsaved >= SaveGap) && _budgets.Exists(it => it.IsWorthSaving(unsaved)))
        {
            Save(now);
        }
    }

    /// <summary>
    /// Writes the accounts if they have changed since the last write. Call it when the daemon stops.
    /// </summary>
    public void Stop()
    {
        if (_budgets.Count > 0)
        {
            Count(_loop.Now, reportsAll: false);
            if (_budgets.Exists(static budget => budget.IsWorthSaving(TimeSpan.MaxValue)))
            {
                Save(_loop.Now);
            }
        }
    }

    private LinkBudget StateOf(ByteBudget budget) =>
        budget.Level != BudgetLevel.Over ? LinkBudget.Within
        : _options.BlocksOverBudget ? LinkBudget.Blocked
        : LinkBudget.Over;

    private void Count(TimeSpan now, bool reportsAll)
    {
        DateTime wall = DateTime.UtcNow;
        bool isSynced = IsSynced();
        _clock.Observe(wall, now);
        string counters = CounterFile.Read();
        foreach (ByteBudget budget in _budgets)
        {
            Device? device = _state.Find(budget.Name);
            if (device is null)
            {
                budget.Count(0, 0);
            }
            else if (InterfaceCounters.TryFind(counters, device.Name, out ulong received, out ulong sent))
            {
                budget.Count(device.Ifindex, received + sent);
            }
            if (budget.Advance(wall, isSynced, _clock.IsSteady) is { } said)
            {
                long before = budget.Account.Before;
                _log.Event(EventFacts.Budget(
                    budget.Name, before > 0 ? $"{said}, {TextLayout.Size((ulong)before)} before" : said));
            }
            if (Announce(budget) || reportsAll)
            {
                _links.SetBudget(budget.Name, StateOf(budget));
            }
        }
    }

    /// <summary>Logs a change of the level. False if there is none.</summary>
    private bool Announce(ByteBudget budget)
    {
        if (budget.Level == budget.Announced)
        {
            return false;
        }
        string words = $"has used {TextLayout.Size((ulong)budget.Used)} of "
            + $"{TextLayout.Size((ulong)budget.Limit)}, {budget.Percent} % of its budget";
        string until = budget.Account.Until is { } end ? $" until {BudgetPeriod.Words(end)}" : "";
        _log.Event(
            EventFacts.Budget(
                budget.Name,
                budget.Level != BudgetLevel.Over ? words + until
                    : _options.BlocksOverBudget ? $"{words}: it is not used any more{until}"
                    : $"{words}: it is used only if no other link works{until}"),
            budget.Level > budget.Announced ? LogLevel.Warn : LogLevel.Info);
        budget.Announced = budget.Level;
        return true;
    }

    /// <summary>
    /// True if the kernel reports a synchronised clock (adjtimex). NTP clients set that flag.
    /// </summary>
    private static bool IsSynced()
    {
        const int Size = 512;
        byte* buffer = stackalloc byte[Size];
        new Span<byte>(buffer, Size).Clear(); // modes = 0: only read the clock's state
        return LibcExtra.adjtimex(buffer) is >= 0 and not LibcExtra.TIME_ERROR;
    }

    /// <summary>Returns the open budget of the key, or opens it.</summary>
    private ByteBudget Open(string key, string name)
    {
        foreach (ByteBudget budget in _budgets)
        {
            if (budget.Account.Key == key)
            {
                return budget;
            }
        }
        foreach (BudgetAccount account in _accounts)
        {
            if (account.Key == key)
            {
                return new ByteBudget(account, isNew: false);
            }
        }
        BudgetAccount added = new(key, name);
        _accounts.Add(added);
        return new ByteBudget(added, isNew: true);
    }

    /// <summary>
    /// Reads the accounts; if the file is damaged, reads the file of the previous write. Keeps a damaged
    /// file under another name.
    /// </summary>
    /// <returns>0, or a temporary error, after which it is tried again.</returns>
    private int TryLoad(NetifNames names)
    {
        if (_isLoaded || !names.Links.Any(static link => link.Budget > 0))
        {
            return 0;
        }
        using NativeStrings path = new([_directory]);
        _ = LibC.mkdir(path.Pointer[0], 0x1C0 /* 0700 */);
        if (!TryLoad(_path, out string? fault, out int errno))
        {
            return errno;
        }
        string? older = "";
        if (fault is not null && !TryLoad($"{_path}.old", out older, out errno))
        {
            return errno;
        }
        _isLoaded = true;
        _startedAt = _loop.Now;
        if (fault is null)
        {
            _savedAt = _startedAt; // wait before the next write, which keeps this file as the older one
        }
        else if (fault.Length + (older?.Length ?? 0) > 0)
        {
            string what = fault.Length > 0 ? fault : older!;
            string so = older is null
                ? $"using {_path}.old, so that the last bytes before the damage are missing"
                : "what the links have used is not known, counting from now on";
            _log.Event(EventKind.Daemon, $"{_path}: {what}: {so}", LogLevel.Warn);
        }
        return 0;
    }

    /// <summary>Reads one file. False after a temporary error: an intact file is left as it is.</summary>
    /// <param name="path">The file.</param>
    /// <param name="fault">Null on success, an empty text if the file is missing, else what is
    /// wrong.</param>
    /// <param name="errno">The error number; 0 for none.</param>
    private bool TryLoad(string path, out string? fault, out int errno)
    {
        string? text = SmallFile.Read(path, BudgetFile.MaxSize, out bool isCut, out errno);
        fault = text is null ? Errno.Text(errno)
            : isCut ? "it is too long"
            : BudgetFile.Read(text, _boot, _accounts);
        if (Errno.IsShortage(errno))
        {
            return false;
        }
        if (errno == Errno.ENOENT)
        {
            fault = "";
        }
        else if (fault is not null && Rename(path, $"{_path}.bad") == 0)
        {
            fault = $"{fault} (kept as {_path}.bad)";
        }
        return true;
    }

    private void Save(TimeSpan now)
    {
        _ = Rename(_path, $"{_path}.old");
        int errno = SmallFile.Replace(_path, BudgetFile.Write(_accounts, _boot));
        if (errno == 0)
        {
            _budgets.ForEach(static budget => budget.OnSaved());
        }
        string? trouble = errno != 0 ? Errno.Text(errno) : IsInMemory(_path) ? "it is in memory" : null;
        if (trouble is not null && Trouble is null)
        {
            _log.Event(
                EventKind.Daemon,
                $"{_path}: {trouble}: a reboot forgets what the links have used (--state-dir)",
                LogLevel.Warn);
        }
        Trouble = trouble;
        _savedAt = now;
    }

    private static bool IsInMemory(string path)
    {
        const int Size = 512;
        byte* buffer = stackalloc byte[Size];
        using NativeStrings name = new([path]);
        return LibcExtra.statfs(name.Pointer[0], buffer) == 0
            && (uint)*(nint*)buffer is LibcExtra.TMPFS_MAGIC or LibcExtra.RAMFS_MAGIC;
    }

    private static int Rename(string from, string to)
    {
        using NativeStrings names = new([from, to]);
        return LibcExtra.rename(names.Pointer[0], names.Pointer[1]);
    }
}
