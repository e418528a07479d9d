using ConnMgr.Netlink;

namespace ConnMgr.Tests.Routing;

/// <summary>
/// Makes random default routes of all types over the links eth0 (11), wlan0 (12), wwan0 (13) and a VPN tun0
/// (14). Nexthop objects 1 to 3 are IPv4 ones over the links, 9 is a group of 1 and 2; 11 to 13 and 19 are
/// the same for IPv6.
/// </summary>
/// <param name="random">The source.</param>
/// <param name="forKernel">
/// Makes only routes that the kernel reports as they were added. Of an IPv6 multipath route it reports the
/// common attributes of the first nexthop. An advertised route that a user adds may become part of a
/// multipath route.
/// </param>
internal sealed class RandomRoutes(Random random, bool forKernel)
{
    private static readonly uint[] Metrics4 = [0, 0, 0, 1, 10, 10, 20, 50, 100, 700];
    private static readonly uint[] Metrics6 = [1, 1, 1, 2, 10, 20, 50, 100, 512, 1023, 1023];

    public bool Chance(int percent) => random.Next(100) < percent;

    public int Next(int count) => random.Next(count);

    public KernelRoute Ipv4()
    {
        int link = 1 + random.Next(3);
        uint metric = Metrics4[random.Next(Metrics4.Length)];
        byte protocol = (byte)(Chance(50) ? 3 : 16);
        switch (random.Next(12))
        {
            case 0:
                return new RouteBuilder(false) { Metric = metric, Scope = 253, Protocol = protocol }
                    .Device(10 + link).Build();
            case 1:
                return new RouteBuilder(false) { Metric = metric, Protocol = protocol, Flags = 4 }
                    .Via($"198.19.0.{link}").Device(10 + link).Build();
            case 2:
                return new RouteBuilder(false) { Metric = metric, Protocol = protocol }
                    .Nexthop(link).Via($"198.18.{link}.1").Device(10 + link).Build();
            case 3:
                return new RouteBuilder(false) { Metric = metric, Protocol = protocol }
                    .Nexthop(9).Hops((11, "198.18.1.1"), (12, "198.18.2.1")).Build();
            case 4:
                return new RouteBuilder(false) { Metric = metric, Protocol = protocol }
                    .Hops((11, "198.18.1.1"), (10 + Math.Max(2, link), $"198.18.{Math.Max(2, link)}.9"))
                    .Build();
            case 5:
                return new RouteBuilder(false)
                { Metric = metric, Protocol = protocol, Type = (byte)(6 + random.Next(4)) }.Build();
            case 6:
                return new RouteBuilder(false) { Metric = metric, Scope = 253 }.Device(14).Build();
            case 7:
                return new RouteBuilder(false) { Metric = metric, Protocol = protocol }
                    .Attribute(7, 198, 18, (byte)link, 2)
                    .Attribute(8, 8, 0, 2, 0, 0x78, 5, 0, 0)
                    .Via($"198.18.{link}.1").Device(10 + link).Build();
            default:
                return new RouteBuilder(false) { Metric = metric, Protocol = protocol }
                    .Via($"198.18.{link}.{(Chance(30) ? 9 : 1)}").Device(10 + link).Build();
        }
    }

    public KernelRoute Ipv6()
    {
        int link = 1 + random.Next(3);
        uint metric = Metrics6[random.Next(Metrics6.Length)];
        switch (random.Next(13))
        {
            case 0:
                return Preferred(new RouteBuilder(true) { Metric = metric }.Device(10 + link), 0);
            case 1:
                return Preferred(
                    new RouteBuilder(true) { Metric = metric }
                        .Nexthop(10 + link).Via($"fe80::{link}").Device(10 + link),
                    0);
            case 2:
                // A reject route beside a route of a nexthop object: a deletion cannot tell the kernel which
                // one is meant.
                return Preferred(
                    new RouteBuilder(true) { Metric = 10 + metric, Type = (byte)(6 + random.Next(4)) }
                        .Device(1),
                    0);
            case 3:
                return Preferred(new RouteBuilder(true) { Metric = metric }.Device(14), 0);
            case 4 or 5 or 6:
                return Preferred(
                    new RouteBuilder(true) { Metric = 1024, Protocol = 9 }
                        .Via($"fe80::{link}{random.Next(3)}").Device(10 + link)
                        .Expires(1000 + random.Next(500)),
                    (byte)(forKernel ? 0 : random.Next(3) switch { 0 => 0, 1 => 1, _ => 3 }));
            case 7:
                return Preferred(
                    new RouteBuilder(true) { Metric = 512, SourceLength = 64, Protocol = 4 }
                        .Attribute(2, 0x20, 1, 0xd, 0xb8, 0, (byte)link, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
                        .Via($"fe80::{link}").Device(10 + link),
                    0);
            case 8 when !forKernel:
                return Preferred(
                    new RouteBuilder(true) { Metric = metric, Protocol = KernelRoute.OwnProtocol }
                        .Via($"fe80::{link}{(Chance(50) ? "" : "0")}").Device(10 + link),
                    0);
            case 9:
                return Preferred(
                    new RouteBuilder(true) { Metric = metric }
                        .Nexthop(19).Hops((11, "fe80::1"), (12, "fe80::2")),
                    0);
            case 10 when !forKernel: // the kernel wants the source address on the link
                return Preferred(
                    new RouteBuilder(true) { Metric = metric }
                        .Attribute(7, 0x20, 1, 0xd, 0xb8, 0, (byte)link, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2)
                        .Via($"fe80::{link}").Device(10 + link),
                    0);
            default:
                return Preferred(
                    new RouteBuilder(true) { Metric = metric }
                        .Via($"fe80::{link}{(Chance(30) ? "9" : "")}").Device(10 + link),
                    0);
        }
    }

    private static KernelRoute Preferred(RouteBuilder route, byte preference) =>
        route.Attribute(20, preference).Build();
}
