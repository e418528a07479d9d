using System.Net;
using ConnMgr.Firewall;
using ConnMgr.Net;

namespace ConnMgr.Tests.Firewall;

public class LocalDropsTests
{
    private static readonly IpNumber Service = IpNumber.Of(IPAddress.Parse("198.18.100.10"));

    private readonly LocalDrops _drops = new();

    [Fact]
    public void A_connection_counts_once_it_was_seen_twice()
    {
        See(443, 1);
        Assert.Equal((0, true), (_drops.Describe().Count, _drops.HasDoubt));
        See(443, 1.3); // another socket in the same look
        Assert.Empty(_drops.Describe());
        See(443, 3);
        Assert.Equal((1, false), (_drops.Describe().Count, _drops.HasDoubt));
        Assert.Equal(
            ["input: answers from 198.18.100.10 tcp 443 arrive, but do not reach the program that asked"],
            _drops.Describe());
    }

    [Fact]
    public void Other_ports_protocols_and_directions_are_others()
    {
        See(443, 1);
        See(8883, 3);
        _drops.See(Service, 443, isTcp: false, DropPlace.Input, At(3));
        _drops.See(Service, 443, isTcp: true, DropPlace.Output, At(3));
        Assert.Empty(_drops.Describe());
    }

    [Fact]
    public void One_sighting_suffices_if_it_is_sure()
    {
        _drops.See(Service, 53, isTcp: false, DropPlace.Output, At(1), isSure: true);
        Assert.Equal(["output: packets to 198.18.100.10 udp 53 do not leave"], _drops.Describe());
        Assert.True(_drops.Has(DropPlace.Output));
        Assert.False(_drops.Has(DropPlace.Input));
    }

    [Fact]
    public void What_is_not_seen_for_a_minute_is_over()
    {
        See(443, 1);
        See(443, 3);
        _drops.Expire(At(62));
        Assert.Single(_drops.Describe());
        _drops.Expire(At(63));
        Assert.Empty(_drops.Describe());
        See(443, 64);
        Assert.Empty(_drops.Describe()); // and begins anew
    }

    [Fact]
    public void The_table_is_bounded()
    {
        for (ushort port = 1; port < 1000; port++)
        {
            See(port, 1);
            See(port, 3);
        }
        Assert.Equal(LocalDrops.Most, _drops.Describe().Count);
    }

    private void See(ushort port, double second) =>
        _drops.See(Service, port, isTcp: true, DropPlace.Input, At(second));

    private static TimeSpan At(double second) => TimeSpan.FromSeconds(second);
}
