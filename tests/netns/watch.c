// Prints one line for each rtnetlink event with its time. It runs at real-time priority, to measure when the
// kernel sent the event, not when this process got the processor.
#define _GNU_SOURCE
#include "labtool.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

static char name[IF_NAMESIZE];

static const char *name_of(unsigned index)
{
    return if_indextoname(index, name) ? name : "?";
}

static int family_number(int family)
{
    return family == AF_INET ? 4 : 6;
}

static void print_link(int64_t when, const struct nlmsghdr *message)
{
    const struct ifinfomsg *link = NLMSG_DATA(message);
    const char *what = message->nlmsg_type == RTM_DELLINK ? "gone" : link->ifi_flags & IFF_UP ? "up" : "down";
    int length = (int)IFLA_PAYLOAD(message);
    const char *label = "?";
    for (const struct rtattr *a = IFLA_RTA(link); RTA_OK(a, length); a = RTA_NEXT(a, length))
        if (a->rta_type == IFLA_IFNAME)
            label = RTA_DATA(a);
    printf("%lld link %s %s %s\n", (long long)when, label, what, link->ifi_flags & IFF_RUNNING ? "carrier" : "no-carrier");
}

static void print_address(int64_t when, const struct nlmsghdr *message)
{
    const struct ifaddrmsg *address = NLMSG_DATA(message);
    printf("%lld address%d %s %s\n", (long long)when, family_number(address->ifa_family),
        name_of(address->ifa_index), message->nlmsg_type == RTM_NEWADDR ? "new" : "gone");
}

static void print_route(int64_t when, const struct nlmsghdr *message)
{
    const struct rtmsg *route = NLMSG_DATA(message);
    if (route->rtm_dst_len != 0 || route->rtm_table != RT_TABLE_MAIN)
        return;

    unsigned metric = 0, device = 0;
    int length = (int)RTM_PAYLOAD(message);
    for (const struct rtattr *a = RTM_RTA(route); RTA_OK(a, length); a = RTA_NEXT(a, length)) {
        if (a->rta_type == RTA_PRIORITY)
            memcpy(&metric, RTA_DATA(a), sizeof metric);
        if (a->rta_type == RTA_OIF)
            memcpy(&device, RTA_DATA(a), sizeof device);
    }
    printf("%lld default%d %s metric %u %s\n", (long long)when, family_number(route->rtm_family),
        name_of(device), metric, message->nlmsg_type == RTM_NEWROUTE ? "new" : "gone");
}

int watch(int argc, char **argv)
{
    (void)argc, (void)argv;
    sched_setscheduler(0, SCHED_FIFO, &(struct sched_param) { .sched_priority = 1 });

    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct sockaddr_nl groups = {
        .nl_family = AF_NETLINK,
        .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
    };
    if (fd < 0 || bind(fd, (struct sockaddr *)&groups, sizeof groups) < 0)
        die("netlink");
    printf("%lld watching\n", (long long)now_us());

    for (;;) {
        static char buffer[65536] __attribute__((aligned(8)));
        ssize_t size = recv(fd, buffer, sizeof buffer, 0);
        int64_t when = now_us();
        if (size < 0) {
            fprintf(stderr, "%lld events lost: %s\n", (long long)when, strerror(errno));
            continue;
        }

        unsigned left = (unsigned)size;
        for (struct nlmsghdr *m = (struct nlmsghdr *)buffer; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left))
            switch (m->nlmsg_type) {
            case RTM_NEWLINK:
            case RTM_DELLINK:
                print_link(when, m);
                break;
            case RTM_NEWADDR:
            case RTM_DELADDR:
                print_address(when, m);
                break;
            case RTM_NEWROUTE:
            case RTM_DELROUTE:
                print_route(when, m);
                break;
            }
    }
}
