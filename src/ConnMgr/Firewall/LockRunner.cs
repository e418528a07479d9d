using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// Locks the device: runs init_firewall.sh, acts on its report, and moves the addresses to the backend that
/// the script's rules can match.
/// </summary>
internal sealed class LockRunner : IDisposable
{
    private readonly Loop _loop;
    private readonly Log _log;
    private readonly Options _options;
    private readonly IReadOnlyList<string> _environment;
    private readonly TimeSpan _startedAt;
    private readonly FirewallRunner _firewall;
    private ReplyGate _gate = null!; // this and the next two: not before Start
    private ServiceDriver _services = null!;
    private ConnectionKiller _killer = null!;

    /// <param name="loop">The event loop.</param>
    /// <param name="log">The log.</param>
    /// <param name="options">The command-line options.</param>
    /// <param name="whitelist">What may be opened.</param>
    /// <param name="environment">The environment of the scripts.</param>
    public LockRunner(
        Loop loop, Log log, Options options, Whitelist whitelist, IReadOnlyList<string> environment)
    {
        _loop = loop;
        _log = log;
        _options = options;
        _environment = environment;
        _startedAt = loop.Now;
        _firewall = new FirewallRunner(loop, log, options, environment, OnScriptEnded)
        {
            CountOpen = () => Store!.Holes.OpenCount,
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

    /// <inheritdoc cref="Lockdown.HasFailed"/>
    public bool HasFailed { get; private set; }

    /// <summary>Runs the script for the first time.</summary>
    /// <param name="gate">The queue that the rules lead to.</param>
    /// <param name="services">The name servers and probes that the rules admit.</param>
    /// <param name="killer">Ends the connections that were open before the lockdown.</param>
    public void Start(ReplyGate gate, ServiceDriver services, ConnectionKiller killer)
    {
        (_gate, _services, _killer) = (gate, services, killer);
        Run();
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
        _firewall.Queue = _gate.Number;
        _firewall.Services = _services.Variables();
        _firewall.Run();
    }

    private IAddressBackend NewBackend()
    {
        string why = "";
        if (_options.Firewall != FirewallBackend.Iptables)
        {
            KernelError error = new(Errno.ENOENT, Words: "there is no nft");
            if (_firewall.Find("nft") is not null && NftBackend.Open(out error) is { } nft)
            {
                _firewall.WatchTables(nft.PortId, Fill, OnElementGone);
                return nft;
            }
            why = error.ToString();
        }
        return NewIptablesBackend(why);
    }

    /// <param name="why">Why it is not nf_tables; empty if the user selected iptables.</param>
    private IAddressBackend NewIptablesBackend(string why) =>
        SetBackend.Open(why, out KernelError error) is { } sets
            ? sets
            : NewRuleBackend(why.Length > 0 ? $"{error}; not by nft, since {why}" : error.ToString());

    private RuleBackend NewRuleBackend(string reason) => new(
        new AddressRuleRunner(
            _loop, _log, Path.Combine(_options.ScriptDirectory, "fwcfg.sh"), _environment,
            prefixes => Store!.ListOpen(prefixes), _firewall.CountOpen, _firewall.SetChanging,
            prefix => _gate.SeeOpened(prefix)),
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
        _services.AdmitAll();
    }

    private void OnScriptEnded(string? failure, LockdownReport report)
    {
        if (failure is not null)
        {
            OnFailed(failure, report.IsStillLocked);
            return;
        }
        // A report without the line (lost in other output, or an implementer's script) decides nothing.
        if (Store.Backend is NftBackend nft && !(report.IsNft ?? _firewall.IsLockedByTables))
        {
            // The script has locked by iptables, possibly without sets, since it was not told of any.
            _firewall.WatchIptables();
            nft.DeleteTable();
            Store.Use(NewIptablesBackend(report.BackendReason ?? "init_firewall.sh does not lock by it"));
            _services.AdmitAll();
            Run();
            return;
        }
        if (Store.Backend is SetBackend && !report.HasSets)
        {
            Store.Use(NewRuleBackend("iptables has no rules that match address sets"));
            Run(); // with the addresses themselves
        }
        if (_gate.Number is not null && report.Queue is null)
        {
            string firewall = Store.Backend is NftBackend ? "nft" : "iptables";
            _gate.Close($"{firewall} has no rules that lead to a queue");
            _firewall.Queue = null;
        }
        _log.Over("held up");
        if (!WasLocked)
        {
            WasLocked = true;
            OnFirstLocked(report);
        }
        _services.OnScriptEnded(report);
        Fill();
    }

    private void OnFailed(string failure, bool isStillLocked)
    {
        bool isFirst = !_firewall.IsInForce;
        if (_firewall.IsHeldUp && isStillLocked)
        {
            _log.Once(
                "held up", EventKind.Firewall,
                $"the lockdown of before stays in force: {failure}, retrying");
            return;
        }
        if (isFirst && _options.ManagesLinksUnlocked)
        {
            _log.Once(
                "not locked", EventKind.Firewall,
                $"cannot lock the firewall, managing links without: {failure}, retrying", LogLevel.Error);
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
            HasFailed |= isFirst && !_firewall.IsHeldUp; // nothing is dropped, so nothing is closed
        }
        else if (isFirst || !_firewall.IsTableIntact)
        {
            _firewall.Close(() => HasFailed |= isFirst && !_firewall.IsHeldUp);
        }
    }

    private void OnFirstLocked(in LockdownReport report)
    {
        if (Store.Backend is NftBackend)
        {
            _firewall.Choice = "nft"; // for repairs too: a failed one leaves the table as it is
        }
        if (!report.KnowsEnded && !_options.Audits)
        {
            _killer.EndForeign();
        }
        _log.Event(
            EventKind.Firewall,
            $"{(_options.Audits ? "AUDIT: nothing is dropped, ready" : "locked")} in "
            + $"{(long)(_loop.Now - _startedAt).TotalMilliseconds} ms; "
            + $"addresses by {WithReason(Store.Backend.Name, Store.Backend.Reason)}; "
            + $"DNS: {WithReason(_gate.ModeName, _gate.Reason)}");
        if (_options.Audits && !report.IsAudit)
        {
            _log.Event(
                EventKind.Firewall, "init_firewall.sh knows no audit: the device is locked",
                LogLevel.Error);
        }
        _log.Info("stop connmgr, then 'connmgr unlock' unlocks the device");
    }

    private static string WithReason(string what, string reason) =>
        reason.Length > 0 ? $"{what}, since {reason}" : what;

    public void Dispose()
    {
        Store.Dispose();
        _firewall.Dispose();
    }
}
