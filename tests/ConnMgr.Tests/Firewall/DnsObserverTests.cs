using System.Net.Sockets;
using ConnMgr.Config;
using ConnMgr.Logging;
using ConnMgr.Tests.Capture;
using ConnMgr.Tests.Dns;
using ConnMgr.Tests.Links;
using Tmds.Linux;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.Firewall;

/// <summary>Which devices are heard, and in which order; <see cref="DnsPathTests"/> has the rest.</summary>
public sealed class DnsObserverTests
{
    private static readonly NetifNames WithBridge =
        LinkRig.Names("ETH_INTERFACE_0=lo\nBRIDGE_INTERFACE_0=br7\n");

    /// <summary>
    /// Although the link's socket has its packet first, the bridge is read first: the question is known as a
    /// copy of an extender's, whose server the device does not use.
    /// </summary>
    [Theory]
    [InlineData(false, 2)]
    [InlineData(true, 0)]
    public void The_bridge_is_read_before_a_question_on_a_link_is_judged(bool isExtenders, int opened) =>
        Run(() =>
    {
        using DnsRig rig = new();
        rig.Watch.SetServers([], null);
        int peer = AddBridge(rig);
        using Socket client = DnsRig.Ask();
        if (isExtenders)
        {
            DnsSocketTests.Send(peer, [.. Frame, .. PacketBuilder.Udp(
                "198.18.50.2 40000", "198.18.100.53 53", WatchRig.Query())]);
        }
        rig.Until(() => rig.Watch.QuestionCount == (isExtenders ? 2 : 1));
        rig.Answer();
        rig.Until(() => client.Available > 0);
        rig.Observer.Drain();
        Assert.Equal(opened, rig.Store.Backend.Elements.Count);
        _ = LibC.close(peer);
    });

    [Fact]
    public void Replies_are_heard_only_while_no_queue_delivers_them() => Run(() =>
    {
        using DnsRig rig = new();
        rig.Observer.Listen(rig.Table, withReplies: false);
        using Socket client = DnsRig.Ask();
        rig.Observer.Drain();
        rig.Answer();
        rig.Until(() => client.Available > 0);
        rig.Observer.Drain();
        Assert.Equal((1, 0), (rig.Watch.QuestionCount, rig.Store.Backend.Elements.Count));
        rig.Observer.Listen(rig.Table, withReplies: true);
        using Socket second = DnsRig.Ask();
        rig.Observer.Drain();
        rig.Answer();
        rig.Until(() => rig.Store.Backend.Elements.Count == 2);
    });

    [Fact]
    public void A_device_that_is_made_anew_is_heard_again() => Run(() =>
    {
        using DnsRig rig = new();
        for (int i = 1; i <= 2; i++)
        {
            int peer = AddBridge(rig);
            DnsSocketTests.Send(peer, [.. Frame, .. PacketBuilder.Udp(
                "198.18.50.2 40000", "198.18.100.53 53", WatchRig.Query())]);
            rig.Until(() => rig.Watch.QuestionCount == i);
            _ = LibC.close(peer);
            RunIp("link delete br7");
            rig.Until(() => rig.Table.Find("br7") is null);
            rig.Observer.Listen(rig.Table, withReplies: true);
        }
    });

    [Fact]
    public void A_socket_that_the_kernel_refuses_is_a_warning_once_and_tried_again() => Run(() =>
    {
        using DnsRig rig = new();
        _ = LibC.close(AddBridge(rig));
        RunIp("link delete br7"); // the table, which is not read again, still has it
        rig.Observer.Change(LinkRig.Names("ETH_INTERFACE_0=lo\n"));
        rig.Observer.Change(WithBridge);
        rig.Observer.Listen(rig.Table, withReplies: true);
        rig.Observer.Listen(rig.Table, withReplies: true);
        Assert.Equal(["br7: cannot listen to DNS: No such device, retrying"], rig.Store.Said());
        rig.Observer.Tick();
        rig.Observer.Listen(rig.Table, withReplies: true);
        Assert.Single(rig.Store.Said());
        Assert.Equal(
            2, rig.Store.Log.Events.Events.Single(said => said.Kind == EventKind.Reply).Times);
    });

    private static readonly byte[] Frame = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];

    /// <summary>Adds the bridge's device, and returns a socket that sends into it.</summary>
    private static int AddBridge(DnsRig rig)
    {
        RunIp("link add br7 address 02:00:00:00:00:01 type veth peer name br7-peer");
        RunIp("link set br7 up");
        RunIp("link set br7-peer up");
        rig.Until(() => rig.Table.Find("br7") is { IsRunning: true });
        rig.Observer.Change(WithBridge);
        rig.Observer.Listen(rig.Table, withReplies: true);
        return DnsSocketTests.PacketSocket("br7-peer");
    }
}
