using ConnMgr.Netlink;
using ConnMgr.Tests.Netlink;

namespace ConnMgr.Tests.Links;

/// <summary>A kernel with eth0 (index 2) and wlan0 (index 3).</summary>
internal static class TwoLinks
{
    /// <summary>
    /// Dumps the kernel's state: a link whose metric is given is up and has an address and a default.
    /// </summary>
    public static void Dump(KernelState kernel, uint? eth, uint? wifi, bool hasIpv6 = false)
    {
        (int Ifindex, string Name, uint? Metric)[] links = [(2, "eth0", eth), (3, "wlan0", wifi)];
        Golden.Dump(kernel, RouteMessage.GetLink, links.Select(link => Golden.Link(
            link.Ifindex, link.Name, Golden.Up | (link.Metric is null ? 0 : Golden.Running))));
        links = [.. links.Where(link => link.Metric is not null)];
        Golden.Dump(kernel, RouteMessage.GetAddress, [
            .. links.Select(link => Golden.Address(link.Ifindex, $"198.18.{link.Ifindex}.2", 24)),
            .. hasIpv6 ? [Golden.Address(3, "2001:db8:3::2", 64)] : Array.Empty<byte[]>()]);
        Golden.Dump(kernel, RouteMessage.GetRoute, [
            .. links.Select(link =>
                Golden.Route($"198.18.{link.Ifindex}.1", link.Ifindex, link.Metric!.Value)),
            .. hasIpv6 ? [Golden.Route("fe80::1", 3, 1)] : Array.Empty<byte[]>()]);
    }
}
