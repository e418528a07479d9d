using ConnMgr.Config;

namespace ConnMgr.Tests.Config;

public class FirewallUserFileTests
{
    [Theory]
    [InlineData("nft add rule inet connmgr user_input iifname eth0 tcp dport 22 accept", "eth0")]
    [InlineData("nft 'add rule inet connmgr user_output oifname \"enp1s0\" accept'", "enp1s0")]
    [InlineData("nft add rule inet c user_input iifname { \"b\", a } tcp dport 22 accept", "b a")]
    [InlineData("nft add rule inet c user_input iifname {a,b} tcp dport 22 accept", "a b")]
    [InlineData("nft add rule inet c user_input iifname != wlan0 oifname eth0 drop", "wlan0 eth0")]
    [InlineData("iptables -C INPUT -i eth0 -j ACCEPT || ip6tables -A INPUT ! -i eth1 -j ACCEPT", "eth0 eth1")]
    [InlineData("$t -A INPUT --in-interface eth0 -o wlan0 -j ACCEPT", "eth0 wlan0")]
    [InlineData("iptables -A INPUT -i $nic -j ACCEPT; iptables -A INPUT -i eth+ -j ACCEPT", "")]
    [InlineData("nft add rule inet c user_input iifname \"wg*\" accept", "")]
    [InlineData("# nft add rule inet c user_input iifname eth0 accept", "")]
    [InlineData("grep -i x /etc/hosts; sed -i s/a/b/ file; nft -f - -i", "")]
    [InlineData("iptables -A INPUT -i", "")]
    [InlineData("nft add rule inet c user_input iifname {", "")]
    [InlineData("", "")]
    public void Interfaces_that_rules_name(string text, string names) =>
        Assert.Equal(names, string.Join(' ', FirewallUserFile.InterfacesIn(text)));
}
