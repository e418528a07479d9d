using ConnMgr.Config;
using ConnMgr.Links;

namespace ConnMgr.Tests.Links;

/// <summary>
/// What LTE may cost, and when it is used all the same: `--wan-probe`, the boot, the last resort.
/// </summary>
public class ModelWanTests
{
    [Theory]
    [InlineData(WanProbe.Never, 0)]
    [InlineData(WanProbe.Suspect, 0)]
    [InlineData(WanProbe.Always, 1)]
    public void Beside_a_good_ethernet_lte_is_probed_only_if_that_was_asked_for(object mode, int atLeast)
    {
        ModelWorld world = new(wanProbe: (WanProbe)mode) { Traffic = Traffic.Shouts };
        world.Run(3600);
        Assert.InRange(world.Wan.Probes, atLeast, atLeast * 240);
    }

    [Theory]
    [InlineData(WanProbe.Never, 0, LinkState.Confirmed)]
    [InlineData(WanProbe.Suspect, 1, LinkState.Failed)]
    [InlineData(WanProbe.Always, 2, LinkState.Failed)]
    public void In_use_and_dead_under_traffic_it_is_found_out_unless_that_was_forbidden(
        object mode, int atLeast, object state)
    {
        ModelWorld world = Alone((WanProbe)mode);
        world.Run(60);
        world.Wan.Upstream = Upstream.Dead;
        world.Run(60);
        Assert.InRange(world.Wan.Probes, atLeast, atLeast * 30);
        Assert.Equal((LinkState)state, world.Wan.Link.State);
    }

    [Theory]
    [InlineData(WanProbe.Never, 0)]
    [InlineData(WanProbe.Suspect, 0)]
    [InlineData(WanProbe.Always, 60)]
    public void In_use_and_good_it_is_probed_only_if_that_was_asked_for(object mode, int atLeast)
    {
        ModelWorld world = Alone((WanProbe)mode);
        world.Run(3600);
        Assert.InRange(world.Wan.Probes, atLeast, atLeast * 4);
        Assert.Same(world.Wan, world.InUse);
    }

    [Theory]
    [InlineData(WanProbe.Suspect)]
    [InlineData(WanProbe.Always)]
    public void One_that_failed_is_tried_again_at_once_when_nothing_else_is_left(object mode)
    {
        for (int seed = 0; seed < 50; seed++)
        {
            ModelWorld world = new(seed, (WanProbe)mode) { Traffic = Traffic.Talks };
            world.WiFi.Ifindex = 0;
            world.Eth.Upstream = Upstream.Dead;
            world.Run(30 + (seed * 0.13));
            world.Wan.Upstream = Upstream.Dead;
            world.Run(20);
            Assert.Equal(LinkState.Failed, world.Wan.Link.State);

            world.Eth.Upstream = world.Wan.Upstream = Upstream.Good;
            Until(world, 40, () => world.InUse == world.Eth);
            world.Eth.HasCarrier = false;
            world.Change();
            Until(world, 1, () => world.InUse == world.Wan); // the only link that is up
            Until(world, 13, () => world.Wan.Link.State == LinkState.Confirmed);
        }
    }

    [Fact]
    public void Ethernet_whose_upstream_dies_silently_is_left_for_one_that_failed_before_and_is_good_again()
    {
        ModelWorld world = new() { Traffic = Traffic.Talks };
        world.WiFi.Ifindex = 0;
        world.Eth.Upstream = Upstream.Dead;
        world.Run(30);
        world.Wan.Upstream = Upstream.Dead;
        world.Run(20);
        world.Eth.Upstream = world.Wan.Upstream = Upstream.Good;
        Until(world, 40, () => world.InUse == world.Eth);
        Assert.True(world.Wan.Link.State is LinkState.Failed or LinkState.Confirmed);
        world.Eth.Upstream = Upstream.Dead;
        Until(world, 7.5 + 13, () => world.InUse == world.Wan);
    }

    [Theory]
    [InlineData(Upstream.Dead)]
    [InlineData(Upstream.Good)]
    [InlineData(Upstream.EchoBlocked)]
    [InlineData(Upstream.Portal)]
    public void At_boot_an_unconfirmed_ethernet_keeps_lte_out_until_its_first_probe_has_ended(object upstream)
    {
        for (int tenths = 0; tenths < 100; tenths += 3)
        {
            ModelWorld world = new(tenths);
            world.WiFi.Ifindex = 0;
            world.Eth.Upstream = (Upstream)upstream;
            (world.Eth.HasAddress, world.Eth.HasRoute) = (false, false);
            world.Run(tenths / 10.0);
            Assert.NotSame(world.Wan, world.Choice);
            (world.Eth.HasAddress, world.Eth.HasRoute) = (true, true);
            world.Change();
            world.Run(0);
            for (int i = 0; !world.Eth.Link.HasBeenProbed; i++)
            {
                Assert.InRange(i, 0, 310);
                Assert.Same(world.Eth, world.Choice);
                world.Run(0.01);
            }
            Until(world, 1, () => world.InUse
                == ((Upstream)upstream is Upstream.Dead or Upstream.Portal ? world.Wan : world.Eth));
        }
    }

    private static ModelWorld Alone(WanProbe mode)
    {
        ModelWorld world = new(wanProbe: mode) { Traffic = Traffic.Talks };
        (world.Eth.Ifindex, world.WiFi.Ifindex) = (0, 0);
        return world;
    }

    private static void Until(ModelWorld world, double limit, Func<bool> isSo)
    {
        TimeSpan end = world.Now + TimeSpan.FromSeconds(limit);
        while (!isSo())
        {
            Assert.InRange(world.Now, TimeSpan.Zero, end);
            world.Run(0.05);
        }
    }
}
