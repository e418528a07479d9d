// Sends the rtnetlink messages that OpenWrt's netifd sends for a default route or an address, with the same
// flags, scopes, protocol and attributes as system_rt and system_addr in its system-linux.c of 2024. Like
// netifd it never checks whether its route is still in place.
#define _GNU_SOURCE
#include "labtool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
    struct nlmsghdr header;
    union {
        struct rtmsg route;
        struct ifaddrmsg address;
    };
    char attributes[256];
} request;

static void add(unsigned short type, const void *value, size_t size)
{
    struct rtattr *a = (struct rtattr *)((char *)&request + NLMSG_ALIGN(request.header.nlmsg_len));
    a->rta_type = type;
    a->rta_len = (unsigned short)RTA_LENGTH(size);
    memcpy(RTA_DATA(a), value, size);
    request.header.nlmsg_len = NLMSG_ALIGN(request.header.nlmsg_len) + a->rta_len;
}

// Status 0 if the kernel accepted it, 2 if it refused. netifd ignores errors.
static int call(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char rest[1024];
    } answer;
    if (fd < 0 || send(fd, &request, request.header.nlmsg_len, 0) < 0 || recv(fd, &answer, sizeof answer, 0) < 0)
        die("netlink");
    if (answer.error.error == 0)
        return 0;
    fprintf(stderr, "%s\n", strerror(-answer.error.error));
    return 2;
}

// netifd add|del LINK route GATEWAY|- METRIC [SOURCE], or netifd add|del LINK address ADDRESS PREFIX: "-"
// means no gateway, metric 0 means none; SOURCE is the address that an IPv4 DHCP client sets.
int netifd(int argc, char **argv)
{
    int is_new = strcmp(argv[0], "add") == 0, is_route = strcmp(argv[2], "route") == 0;
    unsigned link = if_nametoindex(argv[1]);
    unsigned char address[16];
    int family = strchr(argv[3], ':') ? AF_INET6 : AF_INET;
    int has_address = inet_pton(family, argv[3], address);
    size_t size = family == AF_INET ? 4 : 16;
    if (link == 0)
        die(argv[1]);

    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | (is_new ? NLM_F_CREATE | NLM_F_REPLACE : 0);
    if (is_route) {
        request.header.nlmsg_len = NLMSG_LENGTH(sizeof request.route);
        request.header.nlmsg_type = is_new ? RTM_NEWROUTE : RTM_DELROUTE;
        request.route = (struct rtmsg) {
            .rtm_family = (unsigned char)family,
            .rtm_table = RT_TABLE_MAIN,
            .rtm_protocol = RTPROT_STATIC,
            .rtm_scope = !is_new ? RT_SCOPE_NOWHERE : has_address ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
            .rtm_type = is_new ? RTN_UNICAST : 0,
        };
        if (argc > 5 && inet_pton(AF_INET, argv[5], (unsigned char[4]) { 0 })) {
            unsigned char source[4];
            inet_pton(AF_INET, argv[5], source);
            add(RTA_PREFSRC, source, sizeof source);
        }
        unsigned metric = (unsigned)atoi(argv[4]);
        if (metric > 0)
            add(RTA_PRIORITY, &metric, sizeof metric);
        if (has_address)
            add(RTA_GATEWAY, address, size);
        add(RTA_OIF, &link, sizeof link);
    } else {
        request.header.nlmsg_len = NLMSG_LENGTH(sizeof request.address);
        request.header.nlmsg_type = is_new ? RTM_NEWADDR : RTM_DELADDR;
        request.address = (struct ifaddrmsg) {
            .ifa_family = (unsigned char)family,
            .ifa_prefixlen = (unsigned char)atoi(argv[4]),
            .ifa_index = link,
        };
        add(IFA_LOCAL, address, size);
        if (family == AF_INET6) {
            struct ifa_cacheinfo forever = { 0xFFFFFFFF, 0xFFFFFFFF, 0, 0 };
            add(IFA_CACHEINFO, &forever, sizeof forever);
        }
    }
    return call();
}
