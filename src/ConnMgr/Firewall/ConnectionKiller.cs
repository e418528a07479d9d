using ConnMgr.Logging;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Probe;

namespace ConnMgr.Firewall;

/// <summary>
/// Lists the open connections when <see cref="Holes"/> requests it, and ends those that the lockdown does not
/// allow: at the first run all connections to peers that are not whitelisted, later those to revoked
/// addresses.
/// </summary>
/// <param name="log">The log.</param>
/// <param name="store">Knows which addresses are open and which were revoked.</param>
/// <param name="connections">Lists and ends connections.</param>
internal sealed class ConnectionKiller(Log log, HoleStore store, ConnectionRunner connections) : IDisposable
{
    private const int DnsPort = 53; // DNS and NTP need no hole
    private const int NtpPort = 123;
    private bool _isEndingAll;

    /// <summary>When <see cref="Advance"/> has work; never while connections are being listed.</summary>
    public TimeSpan NextDeadline => connections.IsBusy ? TimeSpan.MaxValue : store.Holes.NextLook;

    /// <summary>Ends the connections from before the lockdown.</summary>
    public void EndForeign() => _isEndingAll = true;

    /// <summary>Starts what is due, unless the previous run has not ended.</summary>
    public void Advance(TimeSpan now)
    {
        if (now >= store.Holes.NextLook)
        {
            _ = connections.Look(peer => store.SeeOpen(peer, now), () => store.OnLookEnded(now));
        }
        if (store.Revoked.Count > 0 || _isEndingAll)
        {
            End();
        }
    }

    private void End()
    {
        if (connections.IsBusy)
        {
            return;
        }
        bool isAll = _isEndingAll;
        PrefixSet revoked = store.Revoked.Take();
        _isEndingAll = false;
        _ = connections.End(
            isAll ? (in ConntrackMessage entry) => IsForeign(entry) || IsRevoked(entry.Reply.Source) : IsOver,
            isAll && revoked.Count == 0 ? null : IsSocketOver,
            count => Report(count, isAll));

        bool IsRevoked(IpNumber peer) => revoked.Contains(peer) && !store.Holes.IsAllowed(peer);

        bool IsOver(in ConntrackMessage entry) => IsRevoked(entry.Reply.Source);

        bool IsSocketOver(in SockDiagMessage socket) =>
            (socket.Mark & LinkSocket.Mark) == 0 && socket.PeerPort is not (DnsPort or NtpPort)
                && IsRevoked(socket.Peer);
    }

    private bool IsForeign(in ConntrackMessage entry)
    {
        ConntrackMessage.Tuple original = entry.Original;
        return original.Protocol is 6 or 17 && original.Source != original.Destination
            && !IsLoopback(original.Source)
            && original.DestinationPort is not (DnsPort or NtpPort or 67 or 68 or 546 or 547)
            && !store.Holes.IsAllowed(entry.Reply.Source) && !store.Holes.IsAllowed(original.Source);
    }

    private void Report(int count, bool isAll)
    {
        if (count > 0)
        {
            string connection = count == 1 ? "connection" : "connections";
            log.Event(
                EventKind.Firewall,
                $"ended {count} {connection} "
                + (isAll ? "from before the lockdown" : "to addresses no longer whitelisted"));
        }
    }

    private static bool IsLoopback(IpNumber address) =>
        address.IsIpv4 ? (uint)address.Value >> 24 == 127 : address.Value == 1;

    public void Dispose() => connections.Dispose();
}
