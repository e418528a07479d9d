using System.Net;
using ConnMgr.Firewall;
using ConnMgr.Net;
using ConnMgr.Probe;

namespace ConnMgr.Tests.Firewall;

public sealed class ServiceVariablesTests
{
    private static readonly IpNumber[] Probed = [Number("198.18.7.1"), Number("2001:db8::7")];

    [Fact]
    public void Rules_without_sets_list_the_addresses()
    {
        ServerPolicy policy = new();
        policy.Use([Number("198.18.1.53"), Number("2001:db8::53")], TimeSpan.Zero);
        policy.Presume("root:x:0:0::/root:/bin/sh\nunbound:x:105:1::/:/bin/false\n");
        Assert.Equal(
            [
                "CONNMGR_NAME_SERVERS=198.18.1.53 2001:db8::53", "CONNMGR_RESOLVER_USERS=105",
                "CONNMGR_PROBED=198.18.7.1 2001:db8::7", "CONNMGR_PROBE_PORTS=tcp:80",
            ],
            ServiceVariables.Of(hasSets: false, policy, Probed, "tcp:80"));
        Assert.Equal(
            [
                "CONNMGR_NAME_SERVERS=set", "CONNMGR_RESOLVER_USERS=105", "CONNMGR_PROBED=set",
                "CONNMGR_PROBE_PORTS=",
            ],
            ServiceVariables.Of(hasSets: true, policy, Probed, ""));
    }

    [Theory, InlineData(true), InlineData(false)]
    public void Any_server_may_be_asked_without_a_policy_or_if_no_server_is_known(bool hasPolicy) =>
        Assert.Equal(
            [
                ServiceVariables.AnyServer, "CONNMGR_RESOLVER_USERS=", "CONNMGR_PROBED=",
                "CONNMGR_PROBE_PORTS=udp:5683",
            ],
            ServiceVariables.Of(hasSets: false, hasPolicy ? new ServerPolicy() : null, [], "udp:5683"));

    [Fact]
    public void Each_port_is_named_once()
    {
        List<ProbeUrl> services = [];
        foreach (string url in (string[])["http://a.example#204", "tcp://b.example:80", "coap://c.example"])
        {
            Assert.True(ProbeUrl.TryParse(url, out ProbeUrl service, out string error), error);
            services.Add(service);
        }
        Assert.Equal("tcp:80 udp:5683", ServiceVariables.PortsOf(services));
    }

    private static IpNumber Number(string address) => IpNumber.Of(IPAddress.Parse(address));
}
