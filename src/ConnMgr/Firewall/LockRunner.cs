using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>Receives the report of a successful run of init_firewall.sh.</summary>
internal delegate void LockedHandler(in LockdownReport report, bool isFirst);

/// <summary>
/// Locks the device: runs init_firewall.sh, acts on its report, and moves the addresses to the backend that
/// the script's rules can match. <see cref="Lockdown"/> connects it with the other parts.
/// </summary>
internal sealed class LockRunner : IDisposable
{
    /// <summary>The end of each message that says that the device is locked.</summary>
    public const string ToUnlock = "stop connmgr, then 'connmgr unlock' unlocks the device";

    private readonly Loop _loop;
    private readonly Log _log;
    private readonly Options _options;
    private readonly IReadOnlyList<string> _environment;
    private readonly TimeSpan _startedAt;
    private readonly FirewallRunner _firewall;
    private readonly Action _prepare;
    private readonly Action _refill;
    private readonly Action<IpPrefix> _opened;
    private readonly LockedHandler _locked;
    private string _realNames = ""; // as of the last run of the script because of them

    /// <param name="loop">The event loop.</param>
    /// <param name="log">The log.</param>
    /// <param name="options">The command-line options.</param>
    /// <param name="whitelist">What may be opened.</param>
    /// <param name="environment">The environment of the scripts.</param>
    /// <param name="prepare">Called before each run: sets the queue and the services that the script reads
    /// from <see cref="Firewall"/>.</param>
    /// <param name="refill">Called when the kernel may have lost the addresses of name servers and probes:
    /// admits them again.</param>
    /// <param name="opened">Receives each address that now has rules, or could not get them.</param>
    /// <param name="locked">Receives the report of each successful run.</param>
    public LockRunner(
        Loop loop, Log log, Options options, Whitelist whitelist, IReadOnlyList<string> environment,
        Action prepare, Action refill, Action<IpPrefix> opened, LockedHandler locked)
    {
        _prepare = prepare;
        _refill = refill;
        _opened = opened;
        _locked = locked;
        _loop = loop;
        _log = log;
        _options = options;
        _environment = environment;
        _startedAt = loop.Now;
        _firewall = new FirewallRunner(loop, log, options, environment, OnScriptEnded)
        {
            // Until the script has chosen, it may choose single rules.
            CountRules = () => !WasLocked || Store!.Backend is RuleBackend ? Store!.Holes.OpenCount : 0,
        };
        Store = new HoleStore(
            loop, log, new Holes(whitelist) { AllowsPrivate = options.AllowsPrivateAnswers }, NewBackend(),
            Path.Combine(options.RunDirectory, "holes"), BootId.Read());
    }

    /// <summary>The open addresses, in the backend that the rules match.</summary>
    public HoleStore Store { get; }

    /// <summary>The script, and what other programs did to its rules.</summary>
    public FirewallRunner Firewall => _firewall;

    /// <summary>True once the device has been locked.</summary>
    public bool WasLocked { get; private set; }

    /// <inheritdoc cref="LockdownReport.UserStatus"/>
    public ushort? UserStatus { get; private set; }

    /// <inheritdoc cref="Lockdown.HasFailed"/>
    public bool HasFailed { get; private set; }

    /// <summary>
    /// Runs the script again if the links have other names: when it ran before, a device may have been
    /// missing.
    /// </summary>
    public void Follow(string realNames)
    {
        if (realNames != _realNames)
        {
            _realNames = realNames;
            Run();
        }
    }

    /// <summary>Runs the script now, or after its present run.</summary>
    public void Run()
    {
        // Once the lockdown is in nf_tables, a failed run leaves it as it is and does not switch the backend.
        bool isNft = Store.Backend is NftBackend;
        bool mayChoose = isNft && _options.Firewall == FirewallBackend.Auto && !WasLocked;
        bool isForced = isNft || _options.Firewall == FirewallBackend.Nft;
        _firewall.Choice = mayChoose ? "auto" : isForced ? "nft" : "iptables";
        _firewall.HasSets = isNft ? null : Store.Backend is SetBackend;
        _prepare();
        _firewall.Run();
    }

    private IAddressBackend NewBackend()
    {
        string why = "";
        if (_options.Firewall != FirewallBackend.Iptables)
        {
            KernelError error = new(Errno.ENOENT, words: "there is no nft");
            if (_firewall.Find("nft") is not null && NftBackend.Open(out error) is { } nft)
            {
                _firewall.WatchTables(nft.PortId, Fill, OnElementGone);
                nft.BeforeEach = _firewall.RestoreFirst;
                return nft;
            }
            why = error.ToString();
        }
        return NewIptablesBackend(why);
    }

    /// <param name="why">Why nf_tables is not used; empty if the user selected iptables.</param>
    private IAddressBackend NewIptablesBackend(string why) =>
        SetBackend.Open(why, out KernelError error) is { } sets
            ? sets
            : NewRuleBackend($"{error.ToString()}{(why.Length > 0 ? "; not by nft, since " : "")}{why}");

    private RuleBackend NewRuleBackend(string reason) => new(
        new AddressRuleRunner(
            _loop, _log, Path.Combine(_options.ScriptDirectory, "fwcfg.sh"), _environment,
            prefixes => Store!.ListOpen(prefixes), _firewall.CountRules, _firewall.SetChanging,
            _opened),
        reason);

    private void OnElementGone(IpNumber? address)
    {
        if (address is { } known)
        {
            Store.Reopen(known);
        }
        else
        {
            Fill();
        }
    }

    private void Fill()
    {
        Store.Fill();
        _refill();
    }

    private void OnScriptEnded(string? failure, LockdownReport report)
    {
        if (failure is not null)
        {
            OnFailed(failure, report.IsStillLocked);
            return;
        }
        // A report may lack the line `backend` (an implementer's script). Then look at the tables.
        if (Store.Backend is NftBackend nft && !(report.IsNft ?? _firewall.IsLockedByTables))
        {
            // The script has locked by iptables, possibly without sets, because CONNMGR_SETS was not set.
            _firewall.WatchIptables();
            nft.DeleteTable();
            Store.Use(NewIptablesBackend(report.BackendReason ?? "init_firewall.sh does not lock by nft"));
            _refill();
            Run();
            return;
        }
        if (Store.Backend is SetBackend && !report.HasSets)
        {
            Store.Use(NewRuleBackend("iptables has no rules that match address sets"));
            Run(); // with the addresses themselves
        }
        if (Store.Backend is NftBackend)
        {
            _firewall.Choice = "nft"; // for repairs too: a failed one leaves the table as it is
        }
        _log.Over("held up");
        SeeUserFile(report.UserStatus);
        bool isFirst = !WasLocked;
        WasLocked = true;
        _locked(report, isFirst);
        Fill();
    }

    private void SeeUserFile(ushort? status)
    {
        UserStatus = status;
        if (status is null)
        {
            _log.Over("firewall.user");
            return;
        }
        _log.Once(
            "firewall.user", EventKind.Firewall,
            $"firewall.user failed with status {status}: the device is locked without it; "
            + "correct it, then 'connmgr reload' runs it again",
            LogLevel.Error);
    }

    private void OnFailed(string failure, bool isStillLocked)
    {
        bool isFirst = !_firewall.IsInForce;
        if (_firewall.IsHeldUp && isStillLocked)
        {
            _log.Once(
                "held up", EventKind.Firewall,
                $"the lockdown of before stays in force: {failure}, retrying; {ToUnlock}");
            return;
        }
        if (isFirst && _options.ManagesLinksUnlocked)
        {
            _log.Once(
                "not locked", EventKind.Firewall,
                $"cannot lock the firewall, managing the links of the open device: {failure}, retrying",
                LogLevel.Error);
            return;
        }
        _log.Event(
            EventFacts.Failed(EventKind.Firewall, "lockdown", failure, "cannot lock the firewall"),
            LogLevel.Error);
        if (isFirst)
        {
            _log.TellUser($"cannot lock the firewall: {failure}");
        }
        if (_options.Audits)
        {
            HasFailed |= isFirst && !_firewall.IsHeldUp; // an audit drops nothing, so nothing is closed
        }
        else if (isFirst || !_firewall.IsTableIntact)
        {
            _firewall.Close(() => HasFailed |= isFirst && !_firewall.IsHeldUp);
        }
    }

    /// <summary>Logs that the device is locked for the first time, and how.</summary>
    /// <param name="report">The script's report.</param>
    /// <param name="dns">How DNS replies are handled.</param>
    /// <param name="dnsReason">Why they are not held; empty if they are, or need not be.</param>
    public void LogLocked(in LockdownReport report, string dns, string dnsReason)
    {
        _log.Event(
            EventKind.Firewall,
            $"{(_options.Audits ? "AUDIT: nothing is dropped, ready" : "locked")} in "
            + $"{(long)(_loop.Now - _startedAt).TotalMilliseconds} ms; "
            + $"addresses by {WithReason(Store.Backend.Name, Store.Backend.Reason)}; "
            + $"DNS: {WithReason(dns, dnsReason)}");
        if (_options.Audits && !report.IsAudit)
        {
            _log.Event(
                EventKind.Firewall,
                $"init_firewall.sh does not support --audit: the device is locked; {ToUnlock}",
                LogLevel.Error);
        }
        _log.Info(ToUnlock);
    }

    private static string WithReason(string what, string reason) =>
        reason.Length > 0 ? $"{what}, since {reason}" : what;

    public void Dispose()
    {
        Store.Dispose();
        _firewall.Dispose();
    }
}
