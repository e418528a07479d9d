// A point-to-point link of bare IP, as an LTE modem makes it: two tun devices in two namespaces. Packets that
// the kernel sends into one come out of the other. The devices vanish with the process, like a modem that
// drops off USB.
#define _GNU_SOURCE
#include "labtool.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int open_tun(const char *namespace, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "/run/netns/%s", namespace);
    int ns = open(path, O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
        die(path);
    close(ns);

    int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (tun < 0 || ioctl(tun, TUNSETIFF, &request) < 0)
        die("/dev/net/tun");
    return tun;
}

int tunnel(int argc, char **argv)
{
    (void)argc;
    struct pollfd ends[2] = {
        { .fd = open_tun(argv[0], argv[1]), .events = POLLIN },
        { .fd = open_tun(argv[2], argv[3]), .events = POLLIN },
    };

    for (;;) {
        if (poll(ends, 2, -1) < 0)
            die("poll");

        for (int i = 0; i < 2; i++) {
            static char packet[65536];
            ssize_t size;
            while ((size = read(ends[i].fd, packet, sizeof packet)) > 0)
                if (write(ends[1 - i].fd, packet, (size_t)size) < 0)
                    continue; // that end is down: the packet is lost
        }
    }
}
