using ConnMgr.Netlink;
using ConnMgr.Routing;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.Routing;

/// <summary>
/// Compares the model of the kernel's table, and our messages, with the kernel itself in a network namespace:
/// the same steps must lead to the same table.
/// </summary>
public sealed class RouteModelTests
{
    private const ushort Append = 0x800 | 0x400; // NLM_F_APPEND | NLM_F_CREATE

    [Fact]
    public void The_kernel_and_the_model_agree_after_every_step() => Run(() =>
    {
        MakeLinks();
        int tables = int.Parse(Environment.GetEnvironmentVariable("CONNMGR_KERNEL_TABLES") ?? "300");
        using RouteTableSocket socket = new();
        int added = 0;
        int steps = 0;
        for (int seed = 0; seed < tables; seed++)
        {
            RandomRoutes random = new(new Random(seed), forKernel: true);
            Flush(socket);
            for (int i = random.Next(9); i >= 0; i--)
            {
                KernelRoute route = random.Chance(50) ? random.Ipv4() : random.Ipv6();
                added += socket.Send(route.ToMessage(
                    RouteMessage.NewRoute, NetlinkMessage.FlagAcknowledge | Append), out _) == 0 ? 1 : 0;
            }
            steps += Check(socket, random, seed);
        }
        // The kernel must accept most of the generated routes.
        Assert.True(added > tables * 3, $"only {added} routes of {tables} tables were accepted");
        Assert.True(steps > tables, $"only {steps} steps");
    });

    private static int Check(RouteTableSocket socket, RandomRoutes random, int seed)
    {
        RoutePlanTests.World world = RoutePlanTests.World.Random(
            random, new ModelRouteTable(Dump(socket)) { HasRealAdvertisements = false });
        int steps = 0;
        for (int round = 0; ; round++)
        {
            RoutePlan plan = world.Plan(Dump(socket));
            Assert.True(
                round < 4,
                $"seed {seed}: no end:\n{world.Table.Words()}\n-- steps:\n"
                + string.Join(
                    '\n', plan.Steps.Select(step => $"{step.Verb} {step.Words} {step.Link} {step.Metric}")));
            if (plan.Steps.Count == 0)
            {
                return steps;
            }
            foreach (RouteStep step in plan.Steps)
            {
                string before = world.Table.Words();
                int modelled = world.Apply(step);
                string words = "";
                int error = step.Verb == RouteVerb.Remember ? 0 : socket.Send(step.ToMessage(), out words);
                string context =
                    $"seed {seed}, {step.Verb} {step.Words} {step.Link} ({words})\n-- before:\n{before}";
                Assert.True(
                    error == modelled, $"{context}\nthe kernel's error {error}, the model's {modelled}");
                string expected = world.Table.Words();
                string found = new ModelRouteTable(Dump(socket)).Words();
                Assert.True(expected == found, $"{context}\n-- expected:\n{expected}\n-- found:\n{found}");
                steps++;
            }
        }
    }

    private static List<KernelRoute> Dump(RouteTableSocket socket)
    {
        List<KernelRoute> routes = [];
        Assert.True(socket.TryDump(routes, []));
        return routes;
    }

    private static void Flush(RouteTableSocket socket)
    {
        // Repeat: a deletion may remove another route than the one meant.
        for (int i = 0; i < 10 && Dump(socket) is { Count: > 0 } routes; i++)
        {
            foreach (KernelRoute route in routes)
            {
                _ = socket.Send(
                    route.ToMessage(RouteMessage.DelRoute, NetlinkMessage.FlagAcknowledge), out _);
            }
        }
        Assert.Empty(Dump(socket));
    }

    /// <summary>The links and nexthop objects of <see cref="RandomRoutes"/>.</summary>
    private static void MakeLinks()
    {
        RunIp("link set lo up");
        Link("tun0", 14);
        string[] names = ["eth0", "wlan0", "wwan0"];
        for (int i = 1; i <= 3; i++)
        {
            Link(names[i - 1], 10 + i);
            RunIp($"address add 198.18.{i}.2/24 dev {names[i - 1]}");
            RunIp($"address add 2001:db8:{i}::2/64 dev {names[i - 1]} nodad");
            RunIp($"nexthop add id {i} via 198.18.{i}.1 dev {names[i - 1]}");
            RunIp($"nexthop add id 1{i} via fe80::{i} dev {names[i - 1]}");
        }
        RunIp("nexthop add id 9 group 1/2");
        RunIp("nexthop add id 19 group 11/12");
    }

    private static void Link(string name, int ifindex)
    {
        RunIp($"link add name {name} index {ifindex} type veth peer name p{ifindex} index {ifindex + 10}");
        RunIp($"link set {name} up");
        RunIp($"link set p{ifindex} up");
    }
}
