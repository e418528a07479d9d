using System.Globalization;
using ConnMgr.Config;
using ConnMgr.Links;
using CsCheck;

namespace ConnMgr.Tests.Links;

/// <summary>The events that can happen to the world.</summary>
internal enum Happening
{
    DeviceGoes,
    DeviceComes,
    SetDown,
    SetUp,
    CarrierLost,
    CarrierBack,
    AddressLost,
    AddressBack,
    OtherAddress,
    RouteLost,
    RouteBack,
    Upstream,
    Loss,
    Echo,
    Ping,
    Traffic,
    Script,
    RouteDisturbed,
    Push,
    Budget,
}

/// <summary>One event, some time after the previous one.</summary>
/// <param name="After">Milliseconds after the previous event.</param>
/// <param name="What">What happens.</param>
/// <param name="Link">The link concerned, 0 to 15; modulo their number.</param>
/// <param name="Value">The new value, 0 to 3.</param>
internal readonly record struct Event(int After, Happening What, int Link, int Value)
{
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"new({After}, Happening.{What}, {Link}, {Value})");
}

/// <summary>Makes random schedules, and runs a world through one.</summary>
internal static class ModelSchedule
{
    private static readonly Gen<int> After = Gen.Frequency(
        (3, Gen.Int[0, 100]), (4, Gen.Int[0, 5000]), (3, Gen.Int[0, 60_000]), (1, Gen.Int[0, 900_000]));

    private static readonly Gen<Event> Anything = Of(Gen.Enum<Happening>());

    /// <summary>Only the service or the ping target fails.</summary>
    private static readonly Gen<Event> Outage =
        Of(Gen.OneOf(Happening.Echo, Happening.Ping, Happening.Traffic, Happening.Push));

    public static readonly Gen<(int Seed, Event[] Events)> World =
        Gen.Select(Gen.Int[0, 1000], Anything.Array[1, 40]);

    public static readonly Gen<(int Seed, Event[] Events)> Outages =
        Gen.Select(Gen.Int[0, 1000], Outage.Array[1, 40]);

    /// <summary>The longest wait of rules 3 and 4, plus the time to be confirmed, plus the switch.</summary>
    private const double UntilHealed = 345;

    private static Gen<Event> Of(Gen<Happening> what) =>
        Gen.Select(After, what, Gen.Int[0, 15], Gen.Int[0, 3], (after, w, link, value) =>
            new Event(after, w, link, value));

    /// <summary>
    /// Runs a schedule, then heals everything: the best link must be in use within the bound.
    /// </summary>
    /// <returns>The world, and the seconds until the best link was in use for good.</returns>
    public static (ModelWorld World, double Healed) Run(
        int seed, Event[] events, IReadOnlyList<NamedLink>? names = null)
    {
        ModelWorld world = new(seed, (WanProbe)(seed % 5 % 3), names);
        if (seed % 4 == 3)
        {
            Array.ForEach(world.Links, link => link.HasAddress = link.HasRoute = false); // a slow DHCP server
        }
        foreach (Event item in events)
        {
            world.Run(item.After / 1000.0);
            Apply(world, item);
        }

        Heal(world);
        double healed = 0;
        // A metered link that has failed is trusted again without proof, which is no reason to return to it.
        ModelLink? best = Array.Find(world.Links, link => !link.Link.IsMetered);
        for (double at = 1; at <= UntilHealed + 10; at++)
        {
            world.Run(1);
            healed = world.InUse is { } used && world.Choice == used && (best ?? used) == used ? healed : at;
        }
        return healed <= UntilHealed
            ? (world, healed)
            : throw new InvalidOperationException(
                $"all is well, but {world.InUse?.Link.Name} is in use after {UntilHealed} s");
    }

    /// <summary>
    /// Runs a schedule in which only the service or only the ping target fails: the choice must not change.
    /// </summary>
    public static void RunOutages(int seed, Event[] events)
    {
        ModelWorld world = new(seed);
        if (seed % 3 == 0)
        {
            world.Echo = (EchoService)(seed % 2 + 1); // the outage comes first
        }
        world.Run(10);
        world.Rules.NobodyMoves = true;
        foreach (Event item in events)
        {
            world.Run(item.After / 1000.0);
            bool wouldBeBoth = (item.What == Happening.Echo && !world.IsPingUp)
                || (item.What == Happening.Ping && world.Echo != 0);
            if (!wouldBeBoth)
            {
                Apply(world, item);
                world.IsPingUp |= world.Echo != EchoService.Up;
            }
        }
        world.Echo = EchoService.Up;
        world.Run(100);
    }

    private static void Apply(ModelWorld world, in Event item)
    {
        ModelLink link = world.Links[item.Link % world.Links.Length];
        switch (item.What)
        {
            case Happening.DeviceGoes:
                (link.Ifindex, link.HasAddress, link.HasRoute) = (0, false, false);
                break;
            case Happening.DeviceComes:
                link.Ifindex = link.Link.Rank + 2 + (20 * item.Value);
                break;
            case Happening.SetDown:
                (link.IsAdminUp, link.HasRoute) = (false, false);
                break;
            case Happening.SetUp:
                link.IsAdminUp = true;
                break;
            case Happening.CarrierLost or Happening.CarrierBack:
                link.HasCarrier = item.What == Happening.CarrierBack;
                break;
            case Happening.AddressLost:
                (link.HasAddress, link.HasRoute) = (false, false);
                break;
            case Happening.AddressBack:
                link.HasAddress = true;
                break;
            case Happening.OtherAddress:
                link.Address = item.Value;
                break;
            case Happening.RouteLost or Happening.RouteBack:
                link.HasRoute = item.What == Happening.RouteBack;
                break;
            case Happening.Upstream:
                link.Upstream = (Upstream)item.Value;
                break;
            case Happening.Loss:
                link.Loss = 0.2 * item.Value;
                break;
            case Happening.Echo:
                world.Echo = (EchoService)(item.Value % 3);
                break;
            case Happening.Ping:
                world.IsPingUp = item.Value % 2 == 0;
                break;
            case Happening.Traffic:
                world.Traffic = (Traffic)(item.Value % 3);
                break;
            case Happening.Script:
                world.Script = (SwitchScript)item.Value;
                break;
            case Happening.RouteDisturbed when link.IsInKernelsTable:
                world.PutInFront(link);
                break;
            case Happening.Budget when link.Link.IsMetered:
                link.Budget = (LinkBudget)(item.Value % 3);
                world.Tell(new News(NewsKind.Budget, world.Now, link.Link, Budget: link.Budget));
                break;
            case Happening.Push:
                link.Send(isAnswerable: true, world.Now);
                break;
        }
        link.Metric = link.IsInKernelsTable ? link.Metric : link.OwnMetric;
        world.Change();
    }

    private static void Heal(ModelWorld world)
    {
        foreach (ModelLink link in world.Links)
        {
            link.Ifindex = link.Ifindex == 0 ? link.Link.Rank + 2 : link.Ifindex;
            (link.IsAdminUp, link.HasCarrier, link.HasAddress, link.HasRoute) = (true, true, true, true);
            (link.Upstream, link.Loss, link.Budget) = (Upstream.Good, 0, LinkBudget.Within);
            world.Tell(new News(NewsKind.Budget, world.Now, link.Link, Budget: link.Budget));
        }
        (world.Echo, world.IsPingUp, world.Script) = (EchoService.Up, true, SwitchScript.Works);
        world.Change();
    }
}
