using System.Net;
using ConnMgr.Firewall;
using ConnMgr.Net;

namespace ConnMgr.Tests.Firewall;

public class ServerPolicyTests
{
    private const string Header =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    private const string Accounts =
        "root:x:0:0:root:/root:/bin/bash\ndnsmasq:x:105:65534::/:/bin/false\nbroken\nunboundx:x:7:7::/:/\n"
        + "unbound:x:106:112::/var/lib/unbound:/usr/sbin/nologin\nbind:x:many:1::/:/\n";

    private static readonly TimeSpan Start = TimeSpan.FromHours(1);

    private readonly ServerPolicy _policy = new();

    [Fact]
    public void Without_a_server_any_may_be_asked()
    {
        Assert.True(_policy.IsAny);
        Assert.False(_policy.Use([], Start));
        Assert.Equal("any, since the device has no name server", _policy.ToString());
    }

    [Fact]
    public void A_server_that_is_no_longer_used_stays_for_a_moment()
    {
        Assert.True(Use(Start, "198.18.0.53", "2001:db8::53", "198.18.0.53"));
        Assert.False(Use(Start, "2001:db8::53", "198.18.0.53"));
        Assert.Equal(TimeSpan.MaxValue, _policy.NextDeadline);
        Assert.True(Use(Start, "198.18.1.53"));
        Assert.Equal("198.18.0.53, 2001:db8::53, 198.18.1.53", _policy.ToString());
        Assert.Equal(Start + ServerPolicy.Grace, _policy.NextDeadline);
        Assert.False(Use(Start + (ServerPolicy.Grace / 2), "2001:db8::53", "198.18.1.53"));
        Assert.True(Use(Start + ServerPolicy.Grace, "2001:db8::53", "198.18.1.53"));
        Assert.Equal("2001:db8::53, 198.18.1.53", _policy.ToString());
        Assert.False(_policy.IsAny);
    }

    [Fact]
    public void When_all_servers_are_gone_any_may_be_asked_again()
    {
        Use(Start, "198.18.0.53");
        Use(Start);
        Assert.False(_policy.IsAny);
        Use(Start + ServerPolicy.Grace);
        Assert.True(_policy.IsAny);
    }

    /// <summary>
    /// As in /proc/net/udp: systemd-resolved, a DHCP client, a question from port 53, another one.
    /// </summary>
    [Fact]
    public void Whose_socket_is_bound_to_port_53_may_ask_any()
    {
        Assert.False(_policy.SeeSockets(Header, () => Accounts));
        Assert.True(_policy.SeeSockets(
            Header
            + "  477: 3500007F:0035 00000000:0000 07 00000000:00000000 00:00000000 0   101        0 1801 2\n"
            + "  492: 0F02000A:0044 00000000:0000 07 00000000:00000000 00:00000000 0     0        0 1719 2\n"
            + "  493: 0F02000A:0035 0101A8C0:0035 01 00000000:00000000 00:00000000 0  1000        0 1720 2\n"
            + "  49: 0F02000A:9035 0101A8C0:0035 01 00000000:00000000 00:00000000 0  1001       0 1720 2\n",
            () => Accounts));
        Assert.Equal([101], _policy.Users);
        Assert.True(_policy.SeeSockets(
            "   12: 00000000000000000000000000000000:0035 00000000000000000000000000000000:0000 07 "
            + "00000000:00000000 00:00000000 00000000     0        0 2 2 0000000000000000 0",
            () => Accounts));
        // Root has bound the port, and runs the name server as one of these by now.
        Assert.Equal("any for user 101, root, user 105, user 106, for name servers of the device",
            _policy.ToString());
        Assert.False(_policy.IsAny);
        Use(Start, "198.18.0.53");
        Assert.StartsWith("198.18.0.53; any for user 101", _policy.ToString(), StringComparison.Ordinal);
        _policy.ForgetUsers();
        Assert.Equal("198.18.0.53", _policy.ToString());
    }

    /// <summary>Root binds the port for a name server that then runs as nobody.</summary>
    [Fact]
    public void If_its_user_cannot_be_known_any_server_may_be_asked()
    {
        Use(Start, "198.18.0.53");
        Assert.True(_policy.SeeSockets("1: 0:0035 0:0000 07 0:0 00:0 0 0 0 1 2", () => "root:x:0:0::/:/"));
        Assert.True(_policy.IsAny);
        Assert.Equal("any, since root has started a name server of the device, which may run as any user",
            _policy.ToString());
        _policy.ForgetUsers();
        Assert.False(_policy.IsAny);
    }

    /// <summary>A name server that has not started yet must be able to ask at once.</summary>
    [Fact]
    public void Users_of_name_servers_are_admitted_before_they_run()
    {
        _policy.Presume(Accounts);
        Assert.Equal([105, 106], _policy.Users);
        // An account is no name server: while no server is known, everyone may ask.
        Assert.True(_policy.IsAny);
        Assert.False(_policy.IsLocalFound);
        Use(Start, "198.18.0.53");
        Assert.Equal(
            "198.18.0.53; any for user 105, user 106, for name servers of the device", _policy.ToString());

        // It starts: nobody new, but from now on its answers count.
        const string Socket = "1: 0:0035 0:0000 07 0:0 00:0 0 106 0 1 2";
        Assert.True(_policy.SeeSockets(Socket, () => ""));
        Assert.False(_policy.SeeSockets(Socket, () => ""));
        Assert.True(_policy.IsLocalFound);
        Assert.Equal([105, 106], _policy.Users);
        _policy.ForgetUsers();
        Assert.False(_policy.IsLocalFound);
        Assert.Empty(_policy.Users);
    }

    [Fact]
    public void Accounts_of_others_are_not_presumed()
    {
        _policy.Presume(
            "root:x:0:0::/:/\nwww-data:x:33:33::/:/\nmyunbound:x:12:1::/:/\nunbound:x:-1:1::/:/\nunbound");
        Assert.Empty(_policy.Users);
    }

    [Fact]
    public void Its_memory_is_bounded()
    {
        Assert.True(_policy.Use(
            [.. Enumerable.Range(0, 1000).Select(i => new IpNumber((UInt128)i + 1))], Start));
        Assert.Equal(ServerPolicy.MaxServers, _policy.Servers.Count);
        for (int i = 0; i < 100; i++)
        {
            _policy.SeeSockets($"1: 0:0035 0:0000 07 0:0 00:0 0 {i + 1} 0 1 2", () => Accounts);
        }
        Assert.Equal(ServerPolicy.MaxUsers, _policy.Users.Count);
    }

    [Fact]
    public void A_probed_address_ends_an_hour_after_its_last_probe()
    {
        ProbedAddresses probed = new();
        IpNumber one = IpNumber.Of(IPAddress.Parse("198.18.0.1"));
        IpNumber two = IpNumber.Of(IPAddress.Parse("2001:db8::2"));
        Assert.True(probed.Add(one, Start));
        Assert.True(probed.Add(two, Start));
        Assert.False(probed.Add(one, Start + TimeSpan.FromMinutes(10)));
        Assert.False(probed.Expire(Start + TimeSpan.FromMinutes(59)));
        Assert.Equal(Start + ProbedAddresses.Lifetime, probed.NextDeadline);
        Assert.True(probed.Expire(Start + ProbedAddresses.Lifetime));
        Assert.Equal([one], probed.Addresses);
        for (int i = 0; i < 1000; i++)
        {
            probed.Add(new IpNumber((UInt128)i + 1), Start);
        }
        Assert.Equal(ProbedAddresses.MaxAddresses, probed.Addresses.Count);
        Assert.DoesNotContain(one, probed.Addresses);
    }

    private bool Use(TimeSpan now, params string[] servers) =>
        _policy.Use([.. servers.Select(server => IpNumber.Of(IPAddress.Parse(server)))], now);
}
