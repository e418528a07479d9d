using System.Diagnostics;
using System.Net.Sockets;
using ConnMgr.Config;
using ConnMgr.Firewall;
using ConnMgr.Net;
using ConnMgr.Tests.Capture;
using ConnMgr.Tests.Links;

namespace ConnMgr.Tests.Firewall;

/// <summary>
/// <see cref="DnsObserver"/> and <see cref="ReplyGate"/> with the kernel's packet sockets and NFQUEUE, on the
/// loopback device of a namespace, which acts as a link.
/// </summary>
public sealed class DnsPathTests
{
    [Fact]
    public void A_reload_keeps_the_sockets_of_devices_that_stay() => NetworkNamespace.Run(() =>
    {
        using DnsRig rig = new();
        using Socket client = DnsRig.Ask();
        rig.Observer.Change(LinkRig.Names("ETH_INTERFACE_0=lo")); // the question has not been read yet
        rig.Observer.Listen(rig.Table, withReplies: true);
        rig.Observer.Drain();
        Assert.Equal(1, rig.Watch.QuestionCount);
        rig.Observer.Change(LinkRig.Names("ETH_INTERFACE_0=eth7"));
        rig.Observer.Listen(rig.Table, withReplies: true);
        using Socket another = DnsRig.Ask();
        rig.Observer.Drain();
        Assert.Equal(1, rig.Watch.QuestionCount);
    });

    [Fact]
    public void Overheard_replies_open_addresses() => NetworkNamespace.Run(() =>
    {
        using DnsRig rig = new();
        using Socket client = DnsRig.Ask();
        rig.Answer();
        rig.Until(() => rig.Store.Backend.Elements.Count == 2);
        Assert.Equal(["Open 198.51.100.1", "Open 198.51.100.2"], rig.Store.Backend.Applied);
    });

    [Fact]
    public void A_reply_is_held_until_a_slow_backend_has_its_addresses() => NetworkNamespace.Run(() =>
    {
        using DnsRig rig = new(new FakeBackend { IsImmediate = false, HasTimeouts = false });
        rig.Gate.Open(DnsMode.Hold, 7);
        Assert.Equal(("hold", "", (ushort?)7), (rig.Gate.ModeName, rig.Gate.Reason, rig.Gate.Number));
        Run("iptables -I INPUT -p udp --sport 53 -j NFQUEUE --queue-num 7 --queue-bypass");
        rig.Observer.Listen(rig.Table, withReplies: false);
        using Socket client = DnsRig.Ask();
        rig.Answer();
        rig.Until(() => rig.Store.Backend.Opening.Count == 2);
        Assert.Equal((1, 0, 0), (rig.Gate.HeldCount, rig.Gate.LateCount, client.Available));
        foreach (IpPrefix prefix in rig.Store.Backend.Opening.ToArray())
        {
            rig.Store.Backend.Opening.Remove(prefix);
            rig.Gate.SeeOpened(prefix);
        }
        rig.Until(() => client.Available > 0);
        Assert.Equal(0, rig.Gate.LateCount);

        using Socket second = DnsRig.Ask("x.wild.example");
        rig.Answer("x.wild.example");
        // Nothing opens the address: the reply is released after 100 ms.
        rig.Until(() => rig.Gate.LateCount == 1);
        rig.Until(() => second.Available > 0);
    });

    [Fact]
    public void A_queue_that_another_program_has_is_a_reason_in_words() => NetworkNamespace.Run(() =>
    {
        using DnsRig first = new();
        using DnsRig second = new();
        first.Gate.Open(DnsMode.Auto, 7);
        second.Gate.Open(DnsMode.Auto, 7);
        Assert.Equal(("sniff", (ushort?)null), (second.Gate.ModeName, second.Gate.Number));
        Assert.StartsWith("cannot bind NFQUEUE 7: nfqueue: ", second.Gate.Reason, StringComparison.Ordinal);
        first.Gate.Close("it is over");
        Assert.Equal(("sniff", "it is over"), (first.Gate.ModeName, first.Gate.Reason));
    });

    internal static void Run(string command)
    {
        string[] words = command.Split(' ');
        using Process process = Process.Start(words[0], words[1..]);
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, command);
    }
}
