// A point-to-point link of bare IP, as an LTE modem makes it: two tun devices in two namespaces. Packets that
// the kernel sends into one come out of the other. The devices vanish with the process, like a modem that
// drops off USB.
//
// With two more arguments the link sleeps, as radios do to save power: after so many milliseconds without a packet
// the next one, in either direction, waits for so many milliseconds until the link is awake. What follows waits behind it.
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

static struct pollfd ends[2];
static char packet[65536];

// Packets that wait until the link is awake.
static struct waiting {
    int from;
    size_t size;
    char bytes[2048];
} queue[256];
static unsigned queued;

static void carry(int from, const char *bytes, size_t size)
{
    if (write(ends[1 - from].fd, bytes, size) < 0)
        return; // that end is down: the packet is lost
}

int tunnel(int argc, char **argv)
{
    int64_t sleeps_after = argc > 5 ? atoi(argv[4]) * 1000LL : INT64_MAX;
    int64_t wakes_in = argc > 5 ? atoi(argv[5]) * 1000LL : 0;
    for (int i = 0; i < 2; i++)
        ends[i] = (struct pollfd) { .fd = open_tun(argv[2 * i], argv[2 * i + 1]), .events = POLLIN };

    int64_t last = now_us(), awake_at = 0; // 0: it does not wake up just now
    for (;;) {
        int64_t wait = awake_at ? awake_at - now_us() : 0;
        if (poll(ends, 2, !awake_at ? -1 : wait > 0 ? (int)(wait / 1000) + 1 : 0) < 0)
            die("poll");

        int64_t now = now_us();
        if (awake_at && now >= awake_at) {
            for (unsigned i = 0; i < queued; i++)
                carry(queue[i].from, queue[i].bytes, queue[i].size);
            queued = 0;
            awake_at = 0;
            last = now;
        }
        for (int i = 0; i < 2; i++) {
            ssize_t size;
            while ((size = read(ends[i].fd, packet, sizeof packet)) > 0) {
                if (!awake_at && now - last > sleeps_after)
                    awake_at = now + wakes_in;
                last = now;
                if (!awake_at) {
                    carry(i, packet, (size_t)size);
                } else if (queued < sizeof queue / sizeof *queue && (size_t)size <= sizeof queue->bytes) {
                    queue[queued].from = i;
                    queue[queued].size = (size_t)size;
                    memcpy(queue[queued++].bytes, packet, (size_t)size);
                }
            }
        }
    }
}
