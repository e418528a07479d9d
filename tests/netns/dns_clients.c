// Clients that ask for names, and connect as soon as they know the address.
#define _GNU_SOURCE
#include "dns_message.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

static size_t write_query(unsigned char *query, unsigned id, const char *name, unsigned type)
{
    unsigned char *at = query + HEADER, *label = at++;
    memset(query, 0, HEADER);
    query[0] = (unsigned char)(id >> 8), query[1] = (unsigned char)id;
    query[2] = 1; // RD
    query[5] = 1;
    for (; *name; name++) {
        unsigned code;
        if (*name == '.') {
            *label = (unsigned char)(at - label - 1);
            if (name[1] != 0)
                label = at++;
        } else if (*name == '\\' && sscanf(name + 1, "%3u", &code) == 1) { // \DDD
            *at++ = (unsigned char)code;
            name += 3;
        } else {
            *at++ = (unsigned char)*name;
        }
        if (name[1] == 0 && *name != '.')
            *label = (unsigned char)(at - label - 1);
    }
    *at++ = 0;
    *at++ = 0, *at++ = (unsigned char)type, *at++ = 0, *at++ = 1;
    return (size_t)(at - query);
}

// Finds the first address of a reply to the query. Returns 0 if it does not answer the query, has none or is
// malformed; -1 if it is truncated.
static int read_reply(const unsigned char *query, size_t query_size, const unsigned char *reply, size_t size, unsigned char *address)
{
    unsigned type = query[query_size - 3];
    if (size < query_size || memcmp(query, reply, 2) != 0 || (reply[2] & 0xf8) != 0x80 || (reply[3] & 15) != 0 || reply[4] != 0 || reply[5] != 1
        || memcmp(query + HEADER, reply + HEADER, query_size - HEADER) != 0)
        return 0;
    if (reply[2] & 2)
        return -1;
    size_t at = query_size, alias = HEADER; // where the name stands whose addresses count
    int found = 0;
    for (unsigned count = (unsigned)reply[6] << 8 | reply[7]; count > 0; count--) {
        size_t owner = at, pointer = size > at + 1 && reply[at] >= 0xc0 ? (reply[at] & 63u) << 8 | reply[at + 1] : 0;
        at = pointer >= owner || (reply[owner] & 0xc0) == 0x40 ? 0 : name_end(reply, size, at);
        if (at == 0 || at + 10 > size)
            return 0;
        unsigned length = (unsigned)reply[at + 8] << 8 | reply[at + 9];
        if (at + 10 + length > size)
            return 0;
        if (reply[at + 1] == CNAME && pointer == alias)
            alias = at + 10;
        if (reply[at + 1] == type && reply[at + 3] == 1 && (pointer == 0 || pointer == alias)) {
            if (length != (type == A ? 4u : 16u))
                return 0;
            if (!found)
                memcpy(address, reply + at + 10, length);
            found = (int)length;
        }
        at += 10 + length;
    }
    return found;
}

static int udp_to(const char *server)
{
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 to = address_of(server, 53);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int) { 4 << 20 }, sizeof(int));
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        die(server);
    return fd;
}

static int ask_by_tcp(const char *server, unsigned char *query, size_t size, unsigned char *address)
{
    static unsigned char reply[2 + MOST];
    struct sockaddr_in6 to = address_of(server, 53);
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), length = 0;
    unsigned char framed[512] = { (unsigned char)(size >> 8), (unsigned char)size };
    memcpy(framed + 2, query, size);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval) { .tv_sec = 2 }, sizeof(struct timeval));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval) { .tv_sec = 2 }, sizeof(struct timeval));
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 && send(fd, framed, size + 2, 0) > 0
        && recv(fd, reply, 2, MSG_WAITALL) == 2) {
        ssize_t wanted = (ssize_t)reply[0] << 8 | reply[1];
        if (recv(fd, reply + 2, (size_t)wanted, MSG_WAITALL) == wanted)
            length = read_reply(query, size, reply + 2, (size_t)wanted, address);
    }
    close(fd);
    return length;
}

// Asks that many times in five seconds, over TCP if the answer is truncated. A question that the kernel refuses to send does
// not count, because a resolver then asks again at once. Returns the size of the address, or 0.
static int resolve_name(
    const char *server, const char *name, unsigned type, unsigned id, int tries, unsigned char *address)
{
    unsigned char query[512], reply[4096];
    size_t size = write_query(query, id, name, type);
    int fd = udp_to(server), length = 0; // a new port for each question, as in resolvers
    for (int try = 0; try < tries && length == 0; try++) {
        int64_t until = now_us() + 5000000 / tries, left;
        while (send(fd, query, size, 0) < 0 && errno == EPERM && now_us() < until)
            usleep(10000);
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        while (length == 0 && (left = until - now_us()) > 0) {
            if (poll(&wait, 1, (int)(left / 1000) + 1) <= 0)
                continue;
            ssize_t got = recv(fd, reply, sizeof reply, MSG_DONTWAIT);
            if (got > 0)
                length = read_reply(query, size, reply, (size_t)got, address);
        }
    }
    close(fd);
    return length < 0 ? ask_by_tcp(server, query, size, address) : length;
}

static struct sockaddr_in6 peer_of(const unsigned char *address, int size, int port)
{
    struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
    if (size == 4)
        to.sin6_addr.s6_addr[10] = to.sin6_addr.s6_addr[11] = 0xff;
    memcpy(to.sin6_addr.s6_addr + 16 - size, address, (size_t)size);
    return to;
}

// Returns how long a connection takes, in microseconds; -1: more than three seconds. Its SYN was lost if the
// kernel had to send it again after a second. Check both: a busy machine may take as long without a loss, and
// after a pause of its clock it may send again too early.
static int64_t connect_time(const struct sockaddr_in6 *to, int *is_lost)
{
    struct tcp_info info = { 0 };
    socklen_t info_length = sizeof info;
    int64_t began = now_us();
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error = 0;
    struct pollfd wait = { .fd = fd, .events = POLLOUT };
    socklen_t length = sizeof error;
    if (connect(fd, (const struct sockaddr *)to, sizeof *to) < 0 && errno != EINPROGRESS)
        error = errno;
    else if (poll(&wait, 1, 3000) <= 0)
        error = ETIMEDOUT;
    else
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    int64_t took = now_us() - began;
    getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &info_length);
    *is_lost = error || (info.tcpi_total_retrans > 0 && took > 700000);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger) { .l_onoff = 1 }, sizeof(struct linger));
    close(fd);
    return error ? -1 : took;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static double ms_at(const int64_t *times, int count, double share)
{
    int at = (int)(share * (count - 1) + 0.5);
    return count > 0 ? (double)times[at] / 1000 : 0;
}

// resolve SERVER NAME [4|6 [TRIES]]: the first address, or "none".
int resolve(int argc, char **argv)
{
    unsigned char address[16];
    char text[INET6_ADDRSTRLEN];
    int is_v6 = argc > 2 && argv[2][0] == '6';
    int tries = argc > 3 ? atoi(argv[3]) : 5;
    int size = resolve_name(argv[0], argv[1], is_v6 ? AAAA : A, (unsigned)getpid() & 0xffff, tries, address);
    puts(size > 0 ? inet_ntop(size == 4 ? AF_INET : AF_INET6, address, text, sizeof text) : "none");
    return size > 0 ? 0 : 1;
}

// Resolves new names and connects at once, one after the other.
int first(int argc, char **argv)
{
    const char *server = argv[0], *format = argv[1];
    int from = atoi(argv[2]), count = atoi(argv[3]), port = argc > 4 ? atoi(argv[4]) : 80;
    unsigned type = argc > 5 && argv[5][0] == '6' ? AAAA : A;
    int64_t *asked = calloc((size_t)count, sizeof *asked), *whole = calloc((size_t)count, sizeof *whole);
    int lost = 0, unresolved = 0, done = 0, late = 0, is_lost;

    for (int i = 0; i < count; i++) {
        char name[256];
        unsigned char address[16];
        const char *star = strchr(format, '#'); // stands for the number
        snprintf(name, sizeof name, "%.*s%d%s", (int)(star - format), format, from + i, star + 1);
        int64_t began = now_us();
        int size = resolve_name(server, name, type, (unsigned)(i * 7 + getpid()) & 0xffff, 5, address);
        if (size <= 0) {
            unresolved++;
            continue;
        }
        asked[done] = now_us() - began;
        struct sockaddr_in6 to = peer_of(address, size, port);
        int64_t took = connect_time(&to, &is_lost);
        whole[done] = asked[done] + (took < 0 ? 3000000 : took);
        done++;
        lost += is_lost;
        late += took < 0 || took > 100000;
    }
    qsort(asked, (size_t)done, sizeof *asked, by_value);
    qsort(whole, (size_t)done, sizeof *whole, by_value);
    printf("%d names, %d unresolved, %d lost, %d over 100 ms, "
           "resolve median %.3f ms, with connect median %.3f p99 %.3f most %.3f ms\n",
        count, unresolved, lost, late, ms_at(asked, done, 0.5), ms_at(whole, done, 0.5), ms_at(whole, done, 0.99), ms_at(whole, done, 1));
    return 0;
}

// Sends that many questions a second from many ports, every other name of the second kind, and waits for
// each.
int rate(int argc, char **argv)
{
    enum { PORTS = 64 };
    const char *server = argv[0], *formats[2] = { argv[1], argv[2] };
    int count = (int)(atof(argv[3]) * atof(argv[4])), from = argc > 5 ? atoi(argv[5]) : 0;
    double interval = 1e6 / atof(argv[3]);
    int64_t *sent = calloc((size_t)count, sizeof *sent), *took = calloc((size_t)count, sizeof *took);
    struct pollfd sockets[PORTS];
    for (int i = 0; i < PORTS; i++)
        sockets[i] = (struct pollfd) { .fd = udp_to(server), .events = POLLIN };

    int64_t began = now_us(), last_sent = began;
    int next = 0, answered = 0;
    while (next < count || (answered < next && now_us() < last_sent + 3000000)) {
        while (next < count && (double)(now_us() - began) >= next * interval) {
            unsigned char query[512];
            char name[256];
            const char *format = formats[next & 1], *star = strchr(format, '#');
            snprintf(name, sizeof name, "%.*s%d%s", (int)(star - format), format, (from + next) & 0xffff, star + 1);
            size_t size = write_query(query, (unsigned)(next / PORTS) & 0xffff, name, A);
            sent[next] = last_sent = now_us();
            send(sockets[next % PORTS].fd, query, size, 0);
            next++;
        }
        double due = next < count ? began + next * interval - now_us() : 100000;
        if (poll(sockets, PORTS, due > 1000 ? (int)(due / 1000) : 0) <= 0)
            continue;
        for (int i = 0; i < PORTS; i++) {
            unsigned char reply[4096];
            while (sockets[i].revents && recv(sockets[i].fd, reply, sizeof reply, MSG_DONTWAIT) > HEADER) {
                // The id counts the questions of this port, modulo 65,536: there are never more open ones.
                int which = ((reply[0] << 8 | reply[1]) * PORTS) + i;
                if (which < next && took[which] == 0) {
                    took[which] = now_us() - sent[which];
                    answered++;
                }
            }
        }
    }
    int late = 0, n = 0;
    for (int i = 0; i < count; i++)
        if (took[i] > 0) {
            late += took[i] > 100000;
            took[n++] = took[i];
        }
    qsort(took, (size_t)n, sizeof *took, by_value);
    printf("%d asked, %d lost, %d over 100 ms, median %.3f p99 %.3f most %.3f ms\n", count, count - n, late,
        ms_at(took, n, 0.5), ms_at(took, n, 0.99), ms_at(took, n, 1));
    return 0;
}
