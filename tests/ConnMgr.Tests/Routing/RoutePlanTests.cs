using ConnMgr.Netlink;
using ConnMgr.Routing;
using ConnMgr.Tests.Links;
using CsCheck;

namespace ConnMgr.Tests.Routing;

/// <summary>Applies plans step by step to a model of the kernel's table.</summary>
public sealed class RoutePlanTests
{
    // The tables of every run of `make test` are the same; `make fuzz` tries others.
    private static readonly int Tables =
        int.Parse(Environment.GetEnvironmentVariable("CONNMGR_ROUTE_TABLES") ?? "0");

    [Fact]
    public void No_step_loses_a_route_or_the_way_out_and_every_prefix_of_a_plan_converges()
    {
        for (int seed = 0; seed < 3000; seed++)
        {
            Check(new RandomRoutes(new Random(seed), forKernel: false));
        }
        if (Tables > 0)
        {
            Gen.Int.Sample(
                seed => Check(new RandomRoutes(new Random(seed), forKernel: false)),
                iter: Tables, threads: 1);
        }
    }

    /// <summary>Tables that `make fuzz` has found.</summary>
    [Theory]
    [InlineData(-32846211)] // a nexthop object's route matched the deletion of another one
    [InlineData(12245)] // a copy without its original before a blackhole, beside a route to the same router
    public void A_table_that_once_went_wrong_converges(int seed) =>
        Check(new RandomRoutes(new Random(seed), forKernel: false));

    private static void Check(RandomRoutes random)
    {
        ModelRouteTable table = new([]);
        for (int i = random.Next(9); i >= 0; i--)
        {
            table.Append(random.Chance(50) ? random.Ipv4() : random.Ipv6());
        }
        World world = World.Random(random, table);
        Complete(world, checksPrefixes: true);
    }

    /// <summary>
    /// The standby routes have the daemon's order, at distinct metrics, whatever the order and the metrics
    /// before: as DHCP clients assign them, next to the preferred route and in reverse order, or random.
    /// </summary>
    [Theory]
    [MemberData(nameof(ManyLinks.Counts), MemberType = typeof(ManyLinks))]
    public void The_standby_routes_of_any_number_of_links_are_in_order(int count)
    {
        for (int seed = 0; seed < 120; seed++)
        {
            Random random = new(seed);
            int[] ranks = [.. Enumerable.Range(0, count)];
            random.Shuffle(ranks);
            RoutedLink[] links =
                [.. ranks.Select((rank, i) => new RoutedLink(11 + i, $"link{i}", (uint)(10 + i), rank))];
            ModelRouteTable table = new([]);
            int[] metrics = [.. Enumerable.Range(1, seed % 3 == 2 ? 3000 : count)];
            random.Shuffle(metrics);
            for (int i = 0; i < count; i++)
            {
                int metric = seed % 3 == 0 ? count - ranks[i] : seed % 3 == 1 ? 100 * (1 + i) : metrics[i];
                foreach (bool isIpv6 in (bool[])[false, true])
                {
                    table.Append(new RouteBuilder(isIpv6) { Metric = (uint)metric + (isIpv6 ? 1u : 0) }
                        .Via(isIpv6 ? $"fe80::{i + 1}" : $"198.18.{i}.1").Device(11 + i).Build());
                }
            }
            World world = new() { Table = table, Links = links, Chosen = links[random.Next(count)] };
            Complete(world, checksPrefixes: count <= 3);
            foreach (bool isIpv6 in (bool[])[false, true])
            {
                uint top = isIpv6 ? 1u : 0;
                RoutedLink[] found = [.. world.Table.Routes.Where(route => route.IsIpv6 == isIpv6)
                    .OrderBy(route => route.Metric)
                    .Select(route => links.First(link => link.Ifindex == route.Ifindex))];
                RoutedLink[] expected = [world.Chosen,
                    .. links.Where(link => link != world.Chosen).OrderBy(link => link.Rank)];
                string words = $"seed {seed}, IPv6 {isIpv6}:\n{world.Table.Words()}";
                Assert.True(expected.SequenceEqual(found), words);
                Assert.True(
                    world.Table.Routes.Where(route => route.IsIpv6 == isIpv6)
                        .Select(route => route.Metric).Distinct().Count() == count, words);
                Assert.Equal(top, world.Table.Routes.First(route => route.IsIpv6 == isIpv6).Metric);
            }
        }
    }

    /// <summary>
    /// Carries the plan out and checks after each step. Optionally makes a new plan from each intermediate
    /// state.
    /// </summary>
    private static void Complete(World world, bool checksPrefixes)
    {
        string before = world.Table.Words();
        for (int round = 0; ; round++)
        {
            RoutePlan plan = world.Plan();
            string Context(string what) =>
                $"{what}\n-- chosen {world.Chosen.Name}, before:\n{before}\n-- steps:\n"
                + string.Join(
                    '\n', plan.Steps.Select(step => $"{step.Verb} {step.Words} {step.Link} {step.Metric}"))
                + $"\n-- now:\n{world.Table.Words()}";
            Assert.True(round < 10, Context("no end")); // a plan moves one standby route of a link
            if (plan.Steps.Count == 0)
            {
                Assert.True(plan.IsInPlace || plan.Lacks.Length > 0, Context("not in place"));
                Assert.True(IsRight(world), Context("not right"));
                return;
            }
            foreach (RouteStep step in plan.Steps)
            {
                Dictionary<(bool, int), bool> had = world.Defaults();
                (bool four, bool six) = (world.HasWayOut(isIpv6: false, isStrict: true),
                    world.HasWayOut(isIpv6: true, isStrict: true));
                int error = world.Apply(step);
                Assert.True(error == 0 || (error == 3 && step.Verb == RouteVerb.Delete),
                    Context($"{step.Words}: error {error}"));
                foreach (KeyValuePair<(bool, int), bool> link in world.Defaults())
                {
                    Assert.True(link.Value
                        || !had[link.Key], Context($"{step.Words}: {link.Key} has lost its default"));
                }
                Assert.True(!four || world.HasWayOut(isIpv6: false, isStrict: false),
                    Context($"{step.Words}: no way out by IPv4"));
                Assert.True(!six || world.HasWayOut(isIpv6: true, isStrict: false),
                    Context($"{step.Words}: no way out by IPv6"));
                if (checksPrefixes)
                {
                    Complete(world.Copy(), checksPrefixes: false);
                }
            }
        }
    }

    private static bool IsRight(World world)
    {
        foreach (bool isIpv6 in (bool[])[false, true])
        {
            RoutePlan plan = world.Plan();
            uint top = isIpv6 ? 1u : 0u;
            KernelRoute[] front = [.. world.Table.Routes.Where(
                route => route.IsIpv6 == isIpv6 && route.SourceLength == 0 && route.Metric <= top)];
            // A family that the link lacks may be left alone where only a blackhole would take its place.
            bool isUsed = isIpv6 ? plan.HasIpv6 : plan.HasIpv4;
            if (isUsed && (front.Length == 0
                || front.Any(route => route.Ifindex != world.Chosen.Ifindex || !route.IsUnicast)))
            {
                return false;
            }
            if (!isUsed && world.UsesLinkWithoutAddress(isIpv6))
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>The kernel's table, the remembered metrics, and the chosen link.</summary>
    internal sealed class World
    {
        public required ModelRouteTable Table { get; init; }

        public required RoutedLink[] Links { get; init; }

        public required RoutedLink Chosen { get; init; }

        public Dictionary<(bool, string), OwnMetric> Own { get; init; } = [];

        public static RoutedLink[] LinksOf(int[]? ranks) =>
        [
            new RoutedLink(11, "eth0", 10, ranks?[0]),
            new RoutedLink(12, "wlan0", 20, ranks?[1]),
            new RoutedLink(13, "wwan0", 50, ranks?[2]),
        ];

        public static World Random(RandomRoutes random, ModelRouteTable table)
        {
            int first = random.Next(3);
            int[]? ranks = random.Chance(50) ? [first, (first + 1) % 3, (first + 2) % 3] : null;
            RoutedLink[] links = Array.ConvertAll(LinksOf(ranks), link => link with
            {
                LacksIpv4 = random.Chance(20),
                LacksIpv6 = random.Chance(20),
            });
            World world = new() { Table = table, Links = links, Chosen = links[random.Next(3)] };
            foreach (RoutedLink link in links)
            {
                if (random.Chance(30))
                {
                    world.Own[(random.Chance(50), link.Name)] =
                        new OwnMetric((uint)random.Next(60), (uint)random.Next(60));
                }
            }
            return world;
        }

        public World Copy() =>
            new() { Table = new ModelRouteTable(Table), Links = Links, Chosen = Chosen, Own = new(Own) };

        /// <summary>
        /// True if the best route is that of a link without an address, although a standby link has an
        /// address and a default, and there is a metric before it.
        /// </summary>
        public bool UsesLinkWithoutAddress(bool isIpv6)
        {
            KernelRoute? best = Table.Routes.Where(route => route.IsIpv6 == isIpv6 && route.SourceLength == 0)
                .OrderBy(route => route.Metric).FirstOrDefault();
            bool isFixed = best is { IsUnicast: true } && (best.NexthopId != 0 || best.IsAdvertised)
                && (best.Metric <= (isIpv6 ? 1 : 0) + Links.Length || !CanMove(best));
            bool isLame = !isFixed && Links.Any(link => link.Ifindex == best?.Ifindex && link.Lacks(isIpv6));
            return isLame && Links.Any(link => link.Rank is not null && link.Ifindex != Chosen.Ifindex
                && !link.Lacks(isIpv6)
                && Table.Routes.Where(route => route.IsIpv6 == isIpv6 && route.Ifindex == link.Ifindex
                    && route is { IsUnicast: true, IsDerived: false }) is var routes
                && routes.Any() && routes.All(CanMove));
        }

        /// <summary>
        /// False behind a route that forwards nothing, for a route that must be copied before the last one
        /// that forwards is moved, and for routes that share a metric with one of a nexthop object: the
        /// kernel may delete that one instead.
        /// </summary>
        private bool CanMove(KernelRoute route) => !Table.Routes.Any(
            other => other != route && other.IsIpv6 == route.IsIpv6
                && (other.IsUnicast ? other.Metric == route.Metric && (other.NexthopId | route.NexthopId) != 0
                    : other.Metric <= route.Metric || route.SourceLength > 0));

        public RoutePlan Plan() => Plan(Table.Routes);

        public RoutePlan Plan(IReadOnlyList<KernelRoute> routes) =>
            RoutePlan.Of(new RouteInput(routes, [], Links, Chosen, Own));

        public int Apply(RouteStep step)
        {
            if (step.Verb == RouteVerb.Remember)
            {
                Own[(step.IsIpv6, step.Link)] = step.Metric;
                return 0;
            }
            return Table.Apply(step);
        }

        /// <summary>
        /// Which link has a default route of its own, per family. A copy counts while its original exists.
        /// </summary>
        public Dictionary<(bool, int), bool> Defaults()
        {
            Dictionary<(bool, int), bool> found = [];
            foreach (RoutedLink link in Links)
            {
                foreach (bool isIpv6 in (bool[])[false, true])
                {
                    found[(isIpv6, link.Ifindex)] = Table.Routes.Any(
                        route => route.IsIpv6 == isIpv6 && route.IsUnicast
                        && !route.IsDerived && IsOver(route, link.Ifindex));
                }
            }
            return found;
        }

        private static bool IsOver(KernelRoute route, int ifindex) =>
            route.Ifindex == ifindex || route.Hops.Any(hop => route.Leg(hop).Ifindex == ifindex);

        /// <summary>
        /// True if a packet gets out: a route of the best metric forwards it. With <paramref
        /// name="isStrict"/>, a copy of a route that has gone does not count.
        /// </summary>
        public bool HasWayOut(bool isIpv6, bool isStrict)
        {
            KernelRoute? best = Table.Routes.FirstOrDefault(
                route => route.IsIpv6 == isIpv6 && route.SourceLength == 0);
            return best is not null && Table.Routes.Any(
                route => route.IsIpv6 == isIpv6 && route.SourceLength == 0
                && (isIpv6 ? route.Metric == best.Metric : route == best) && route.IsUnicast
                && !(isStrict && IsStale(route)));
        }

        private bool IsStale(KernelRoute route) =>
            route.IsDerived && !Table.Routes.Any(other => !other.IsDerived
            && (other.HasSameHop(route) || other.Hops.Any(hop => other.Leg(hop).HasSameHop(route))));
    }
}
