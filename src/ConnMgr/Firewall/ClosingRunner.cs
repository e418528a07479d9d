using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Scripts;

namespace ConnMgr.Firewall;

/// <summary>
/// Closes the device if init_firewall.sh cannot lock it: by boot_lockdown.sh; if that is missing or fails, by
/// nft; if there is no nft, or the earlier lockdown is in iptables, by the policies of iptables. So none
/// of connmgr's scripts is needed.
/// </summary>
/// <param name="loop">Reports the end of each program.</param>
/// <param name="log">The log.</param>
/// <param name="options">The paths of the scripts and the other directories.</param>
/// <param name="environment">The environment of the programs.</param>
/// <param name="find">Returns the path of a program as the scripts find it; null if it does not
/// exist.</param>
internal sealed class ClosingRunner(
    Loop loop, Log log, Options options, IReadOnlyList<string> environment, Func<string, string?> find)
    : IDisposable
{
    /// <summary>
    /// The same table as in boot_lockdown.sh, which the next successful init_firewall.sh deletes. It lets
    /// loopback and DHCP pass. DHCPv6 needs neighbour and router discovery (RFC 4861).
    /// </summary>
    internal const string Table =
        "add table inet connmgr_closed; delete table inet connmgr_closed; table inet connmgr_closed { "
        + "chain input { type filter hook input priority -20; policy drop; iifname \"lo\" accept; "
        + "meta nfproto ipv4 udp sport 67 udp dport 68 accept; "
        + "ip6 saddr fe80::/10 udp dport 546 accept; "
        + "ip6 hoplimit 255 icmpv6 type { 134, 135, 136 } accept; }; "
        + "chain output { type filter hook output priority -20; policy drop; oifname \"lo\" accept; "
        + "meta nfproto ipv4 udp sport 68 udp dport 67 accept; "
        + "meta nfproto ipv6 udp sport 546 udp dport 547 accept; "
        + "icmpv6 type { 133, 135, 136, 143 } accept; }; "
        + "chain forward { type filter hook forward priority -170; policy drop; }; }";

    internal static readonly string[] Hooks = ["INPUT", "FORWARD", "OUTPUT"];

    private readonly ScriptLane _lane = new(loop, environment);

    /// <summary>True while a program runs that must end before the daemon exits.</summary>
    public bool IsBusy => _lane.IsBusy;

    /// <summary>Closes the device. A lockdown that is in force stays as it is.</summary>
    /// <param name="choice">The backend: `auto`, `nft` or `iptables`.</param>
    /// <param name="done">Called once, whether closing succeeded or not.</param>
    public void Close(string choice, Action done)
    {
        if (choice == "iptables" || find("nft") is not { } nft)
        {
            ClosePolicies(done);
            return;
        }
        string script = Path.Combine(options.ScriptDirectory, "boot_lockdown.sh");
        if (!File.Exists(script))
        {
            CloseByNft(nft, done);
            return;
        }
        string[] argv =
        [
            script, "--shut", "--firewall", choice, "--script-dir", options.ScriptDirectory,
            "--config-dir", options.ConfigDirectory, "--run-dir", options.RunDirectory,
        ];
        _lane.Run(argv, exit =>
        {
            const int IsShut = 1;
            if (exit.Code is not (0 or IsShut))
            {
                CloseByNft(nft, done);
                return;
            }
            log.Event(
                EventKind.Firewall, $"closed by boot_lockdown.sh{FirewallRunner.Said(exit)}", LogLevel.Error);
            done();
        });
    }

    private void CloseByNft(string nft, Action done) => LookForLockdown(nft, isNft: true, 0, isLocked =>
    {
        if (isLocked)
        {
            log.Event(
                EventKind.Firewall, $"the earlier lockdown stays in force; {LockRunner.ToUnlock}",
                LogLevel.Warn);
            done();
        }
        else
        {
            // If iptables has locked both families, setting its policies suffices; the table would close the
            // whitelist, too. If it has locked only one family, use the table: in the other one, foreign
            // rules accept packets before the policies apply.
            LookForTables("iptables", areThere =>
            {
                if (areThere)
                {
                    ClosePolicies(done);
                }
                else
                {
                    MakeTable(nft, done);
                }
            });
        }
    });

    /// <summary>Finds out whether the lockdown of iptables is in force in both families.</summary>
    /// <param name="name">The program of the family to begin with: `iptables`, then `ip6tables`.</param>
    /// <param name="done">Receives true if it is.</param>
    private void LookForTables(string name, Action<bool> done)
    {
        if (find(name) is not { } program)
        {
            done(false);
            return;
        }
        LookForLockdown(program, isNft: false, 0, isThere =>
        {
            if (isThere && name == "iptables" && File.Exists("/proc/net/if_inet6"))
            {
                LookForTables("ip6tables", done);
            }
            else
            {
                done(isThere);
            }
        });
    }

    /// <summary>
    /// Finds out whether the lockdown is in force: in each hook, its rules must come first. Ignores the
    /// policies of iptables.
    /// </summary>
    private void LookForLockdown(string program, bool isNft, int hook, Action<bool> done)
    {
        if (hook == Hooks.Length)
        {
            done(true);
            return;
        }
        string name = Hooks[hook];
        string[] argv = isNft ? [program, ListChain(name)] : [program, "-w", "5", "-S", name, "1"];
        _lane.Run(argv, listed =>
        {
            if (listed.Failure is null && IsLockdown(listed.Output, name, isNft))
            {
                LookForLockdown(program, isNft, hook + 1, done);
            }
            else
            {
                done(false);
            }
        });
    }

    /// <summary>
    /// Commands for nft: the first ends the flag `dormant`, with which a table drops nothing. Old versions
    /// cannot list several chains in one run.
    /// </summary>
    internal static string ListChain(string hook) =>
        $"add table inet connmgr; list chain inet connmgr {hook.ToLowerInvariant()}";

    /// <summary>
    /// True if the listed rules of a hook begin with the lockdown's, and if nft drops what no rule admits.
    /// </summary>
    internal static bool IsLockdown(string listed, string hook, bool isNft)
    {
        string chain = hook == "FORWARD" ? "AFERO_FORWARD_ACCEPT_SERVICE" : $"AFERO_ALLOW_SERVICE_{hook}";
        string words = string.Join(
            ' ', listed.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return $"{words} ".Contains(
            isNft ? $"policy drop; jump {chain} " : $"-A {hook} -j {chain} ", StringComparison.Ordinal);
    }

    private void MakeTable(string nft, Action done) => _lane.Run([nft, Table], exit =>
    {
        if (exit.Failure is { } failure)
        {
            log.Event(
                EventFacts.Failed(EventKind.Firewall, "nft", $"{failure}{FirewallRunner.Said(exit)}"),
                LogLevel.Warn);
            ClosePolicies(done);
            return;
        }
        log.Event(
            EventKind.Firewall,
            "closed: the table inet connmgr_closed drops everything except loopback and DHCP",
            LogLevel.Error);
        done();
    });

    private void ClosePolicies(Action done) =>
        Close("iptables", 0, isIpv4Closed => Close("ip6tables", 0, isIpv6Closed =>
    {
        log.Event(
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
        else if (find(variants[variant]) is { } program)
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
        _lane.Run([program, "-w", "5", "-P", Hooks[hook], "DROP"], exit =>
        {
            if (exit.Failure is null)
            {
                SetPolicy(program, hook + 1, done);
                return;
            }
            log.Event(
                EventFacts.Failed(
                    EventKind.Firewall, $"{program} -P {Hooks[hook]} DROP",
                    $"{exit.Failure}{FirewallRunner.Said(exit)}"),
                LogLevel.Warn);
            done(false);
        });
    }

    public void Dispose() => _lane.Dispose();
}
