namespace ConnMgr.Netlink;

// The kernel's constants, with the names of its headers, one class for each group of headers. A test has the
// C compiler check every public constant for each machine.

/// <summary>&lt;linux/netlink.h&gt;: protocols, message types, flags.</summary>
internal static class NetlinkHeader
{
    public const int NETLINK_ROUTE = 0;
    public const int NETLINK_SOCK_DIAG = 4;
    public const int NETLINK_NETFILTER = 12;
    public const int NETLINK_KOBJECT_UEVENT = 15;
    public const int NETLINK_ADD_MEMBERSHIP = 1;
    public const int SOL_NETLINK = 270;
    public const int SCM_CREDENTIALS = 2; // <linux/socket.h>

    public const ushort NLMSG_ERROR = 2;
    public const ushort NLMSG_DONE = 3;
    public const ushort NLM_F_REQUEST = 0x1;
    public const ushort NLM_F_ACK = 0x4;
    public const ushort NLM_F_DUMP_INTR = 0x10;
    public const ushort NLM_F_DUMP = 0x300;
    public const ushort NLA_F_NESTED = 0x8000;
    public const ushort NLA_F_NET_BYTEORDER = 0x4000;
}

/// <summary>
/// &lt;linux/rtnetlink.h&gt;, &lt;linux/if.h&gt;, &lt;linux/if_link.h&gt;, &lt;linux/if_addr.h&gt;,
/// &lt;linux/neighbour.h&gt;, &lt;linux/fib_rules.h&gt;.
/// </summary>
internal static class Rtnetlink
{
    public const byte AF_UNSPEC = 0;
    public const byte AF_INET = 2;
    public const byte AF_BRIDGE = 7;
    public const byte AF_INET6 = 10;

    public const ushort RTM_NEWLINK = 16;
    public const ushort RTM_DELLINK = 17;
    public const ushort RTM_GETLINK = 18;
    public const ushort RTM_NEWADDR = 20;
    public const ushort RTM_DELADDR = 21;
    public const ushort RTM_GETADDR = 22;
    public const ushort RTM_NEWROUTE = 24;
    public const ushort RTM_DELROUTE = 25;
    public const ushort RTM_GETROUTE = 26;
    public const ushort RTM_NEWNEIGH = 28;
    public const ushort RTM_GETNEIGH = 30;
    public const ushort RTM_NEWRULE = 32;
    public const ushort RTM_DELRULE = 33;
    public const ushort RTM_GETRULE = 34;

    public const int RTNLGRP_LINK = 1;
    public const int RTNLGRP_NEIGH = 3;
    public const int RTNLGRP_IPV4_IFADDR = 5;
    public const int RTNLGRP_IPV4_ROUTE = 7;
    public const int RTNLGRP_IPV4_RULE = 8;
    public const int RTNLGRP_IPV6_IFADDR = 9;
    public const int RTNLGRP_IPV6_ROUTE = 11;
    public const int RTNLGRP_IPV6_RULE = 19;

    public const ushort NDA_DST = 1;
    public const ushort NUD_INCOMPLETE = 0x1;
    public const ushort NUD_FAILED = 0x20;

    public const ushort IFLA_ADDRESS = 1;
    public const ushort IFLA_IFNAME = 3;
    public const uint IFF_UP = 0x1;
    public const uint IFF_RUNNING = 0x40;

    public const ushort IFA_ADDRESS = 1;
    public const ushort IFA_LOCAL = 2;
    public const ushort IFA_FLAGS = 8;
    public const uint IFA_F_OPTIMISTIC = 0x04;
    public const uint IFA_F_DADFAILED = 0x08;
    public const uint IFA_F_TENTATIVE = 0x40;
    public const byte RT_SCOPE_LINK = 253;
    public const byte RTPROT_STATIC = 4;
    public const byte RTPROT_RA = 9;
    public const uint IP6_RT_PRIO_USER = 1024; // <linux/ipv6_route.h>: an IPv6 route without a metric

    public const ushort RTA_DST = 1;
    public const ushort RTA_SRC = 2;
    public const ushort RTA_OIF = 4;
    public const ushort RTA_GATEWAY = 5;
    public const ushort RTA_PRIORITY = 6;
    public const ushort RTA_MULTIPATH = 9;
    public const ushort RTA_TABLE = 15;
    public const ushort RTA_MARK = 16;
    public const ushort RTA_VIA = 18;
    public const byte RTN_UNICAST = 1;
    public const byte RTN_LOCAL = 2;
    public const uint RTM_F_CLONED = 0x200;
    public const byte RT_TABLE_MAIN = 254;

    public const ushort FRA_SRC = 2; // <linux/fib_rules.h>
    public const ushort FRA_PRIORITY = 6;
    public const ushort FRA_TABLE = 15;
    public const ushort FRA_PROTOCOL = 21;
    public const byte FR_ACT_TO_TBL = 1;
}

/// <summary>
/// &lt;linux/sock_diag.h&gt;, &lt;linux/inet_diag.h&gt;, &lt;linux/tcp.h&gt;, &lt;linux/in.h&gt;.
/// </summary>
internal static class InetDiag
{
    public const ushort SOCK_DIAG_BY_FAMILY = 20;
    public const ushort SOCK_DESTROY = 21;
    public const ushort INET_DIAG_INFO = 2;
    public const ushort INET_DIAG_MARK = 15;
    public const byte IPPROTO_TCP = 6;
    public const byte IPPROTO_UDP = 17;

    // States; UDP uses TCP_ESTABLISHED for a connected socket and TCP_CLOSE for any other.
    public const int TCP_ESTABLISHED = 1;
    public const int TCP_SYN_SENT = 2;
    public const int TCP_FIN_WAIT1 = 4;
    public const int TCP_FIN_WAIT2 = 5;
    public const int TCP_CLOSE = 7;
    public const int TCP_CLOSE_WAIT = 8;
    public const int TCP_LAST_ACK = 9;
    public const int TCP_CLOSING = 11;
}

/// <summary>
/// &lt;linux/netfilter/nfnetlink_conntrack.h&gt;, &lt;linux/netfilter/nf_conntrack_common.h&gt;.
/// </summary>
internal static class Ctnetlink
{
    public const int NFNL_SUBSYS_CTNETLINK = 1;
    public const int IPCTNL_MSG_CT_NEW = 0;
    public const int IPCTNL_MSG_CT_GET = 1;
    public const int IPCTNL_MSG_CT_DELETE = 2;

    public const ushort CTA_TUPLE_ORIG = 1;
    public const ushort CTA_TUPLE_REPLY = 2;
    public const ushort CTA_STATUS = 3;
    public const ushort CTA_MARK = 8;
    public const ushort CTA_ID = 12;
    public const ushort CTA_ZONE = 18;
    public const ushort CTA_TUPLE_IP = 1;
    public const ushort CTA_TUPLE_PROTO = 2;
    public const ushort CTA_IP_V4_SRC = 1;
    public const ushort CTA_IP_V4_DST = 2;
    public const ushort CTA_IP_V6_SRC = 3;
    public const ushort CTA_IP_V6_DST = 4;
    public const ushort CTA_PROTO_NUM = 1;
    public const ushort CTA_PROTO_SRC_PORT = 2;
    public const ushort CTA_PROTO_DST_PORT = 3;
    public const uint IPS_SEEN_REPLY = 1 << 1;
}
