// A DNS server with an address of its own for each name, well-behaved or hostile.
#define _GNU_SOURCE
#include "dns_message.h"

#include <poll.h>
#include <unistd.h>

struct message {
    size_t size;
    unsigned char bytes[2 + MOST + 512]; // room for TCP's length in front
};

static void put16(struct message *m, unsigned value)
{
    m->bytes[m->size++] = (unsigned char)(value >> 8);
    m->bytes[m->size++] = (unsigned char)value;
}

static void put(struct message *m, const void *bytes, size_t size)
{
    memcpy(m->bytes + m->size, bytes, size);
    m->size += size;
}

static void record(struct message *m, unsigned type, const void *data, unsigned size)
{
    put16(m, 0xc000 | HEADER);
    put16(m, type);
    put16(m, 1);
    put16(m, 0);
    put16(m, 60);
    put16(m, size);
    put(m, data, size);
}

static int socket_of(int type, const char *text, int port)
{
    int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 address = address_of(text, port);
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int) { 0 }, sizeof(int));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int) { 1 }, sizeof(int));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int) { 4 << 20 }, sizeof(int));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || (type == SOCK_STREAM && listen(fd, 1024) < 0))
        die(text);
    return fd;
}

// The first letter of a name selects its answer; the number after it selects its address.
//   n  the address          t  truncated in UDP      g  as large as can be, truncated in UDP
//   f  in several fragments x  forgeries of every kind before the true answer
//   y  those of the forgeries that are dropped while replies are held, before the true answer
//   l  loopback, private and multicast addresses alone
//   u  as large as UDP carries it, in 45 fragments
//   c  an alias of n in cdn.example, and nothing of that   d  an alias of c in cdn.example, and nothing of that

static const unsigned char forged[] = { 198, 19, 255, 1 };

static void copy_question(struct message *reply, const unsigned char *query, size_t end)
{
    reply->size = 0;
    put(reply, query, 2);
    put16(reply, query[2] & 1 ? 0x8180 : 0x8400); // to a recursive resolver: authoritative
    put16(reply, 1);
    put16(reply, 0);
    put16(reply, 0);
    put16(reply, 0);
    put(reply, query + HEADER, end - HEADER);
}

static void fresh_address(unsigned char *bytes, unsigned type, unsigned number)
{
    static const unsigned char v6[16] = { 0x20, 1, 0x0d, 0xb8, 1, 1 };
    if (type == A) {
        bytes[0] = 198, bytes[1] = 19;
    } else {
        memcpy(bytes, v6, 16);
        bytes += 12;
        bytes[0] = bytes[1] = 0;
    }
    bytes[2] = (unsigned char)(number >> 8);
    bytes[3] = (unsigned char)number;
}

struct peer {
    int fd, other, wrong_port;
    const struct sockaddr_in6 *address;
};

static void send_to(int fd, const struct message *m, size_t size, const struct sockaddr_in6 *to)
{
    sendto(fd, m->bytes, size, 0, (const struct sockaddr *)to, sizeof *to); // ignore errors: the client may be gone
}

// Every kind of forgery from an attacker who knows everything, including the question's id and port, except
// for one detail. With is_false, only those that claim to answer the question, but do not.
static int forge(const struct peer *peer, const unsigned char *query, size_t end, int is_false)
{
    static struct message good, m;
    static int sent;
    copy_question(&good, query, end);
    record(&good, A, forged, 4);
    good.bytes[7] = 1;
    int before = sent;
#define SEND(fd) (send_to((fd), &m, m.size, peer->address), sent++)
#define PASSES(fd) (is_false ? 0 : SEND(fd))

    m = good, m.bytes[1] ^= 1, PASSES(peer->fd);             // another id
    m = good, PASSES(peer->other);                           // another server
    m = good, PASSES(peer->wrong_port);                      // another port of the server
    struct sockaddr_in6 elsewhere = *peer->address;        // another port of ours
    elsewhere.sin6_port ^= htons(1);
    if (!is_false)
        m = good, send_to(peer->fd, &m, m.size, &elsewhere), sent++;
    m = good, m.bytes[HEADER + 1] ^= 3, SEND(peer->fd);    // another name
    m = good, m.bytes[end - 3] ^= A ^ AAAA, SEND(peer->fd); // another type
    m = good, m.bytes[end - 1] = 3, SEND(peer->fd);        // class CH
    m = good, m.bytes[3] |= 3, PASSES(peer->fd);             // no such name, with an answer
    m = good, m.bytes[3] |= 2, PASSES(peer->fd);             // server failure, with an answer
    m = good, m.bytes[2] &= 0x7f, SEND(peer->fd);          // a query
    m = good, m.bytes[2] |= 0x28, SEND(peer->fd);          // opcode 5
    m = good, m.bytes[5] = 2, SEND(peer->fd);              // two questions
    m = good, m.bytes[5] = 0, SEND(peer->fd);              // none
    m = good, m.bytes[6] = m.bytes[7] = 0xff, SEND(peer->fd); // 65,535 answers
    m = good, m.bytes[7] = 2, SEND(peer->fd);              // one answer too many
    m = good, m.bytes[end + 1] = (unsigned char)end, SEND(peer->fd); // a pointer to itself
    m = good, m.bytes[end] = 0xff, SEND(peer->fd);         // a pointer beyond the end
    m = good, m.bytes[end] = 0x40, SEND(peer->fd);         // a label of a reserved kind
    m = good, m.bytes[HEADER] = 63, SEND(peer->fd);        // a label longer than the name
    m = good, m.bytes[end + 11] = 5, SEND(peer->fd);       // an address of five bytes, beyond the end
    m = good, m.bytes[end + 11] = 3, SEND(peer->fd);       // of three
    m = good, m.bytes[end + 10] = 0xff, SEND(peer->fd);    // of 65 thousand
    m = good, m.size -= 1 + (size_t)(sent % 30), SEND(peer->fd); // cut
    m = good, m.size = is_false ? 2 + (size_t)(sent % (HEADER - 2)) : (size_t)(sent % HEADER), SEND(peer->fd);
    m = good;                                              // another owner: the question's name without its first label
    m.bytes[end + 1] = (unsigned char)(HEADER + 1 + m.bytes[HEADER]), PASSES(peer->fd);
    m = good, m.bytes[end + 5] = 3, PASSES(peer->fd);        // a record of class CH
#undef PASSES
#undef SEND
    return sent - before;
}

// Builds an answer of the server for UDP or TCP.
static void answer(struct message *reply, const unsigned char *query, size_t end, int is_tcp)
{
    unsigned type = (unsigned)query[end - 4] << 8 | query[end - 3];
    unsigned size = type == A ? 4 : 16;
    unsigned char address[16];
    char label[64] = "";
    memcpy(label, query + HEADER + 1, query[HEADER] & 63);
    char kind = (char)(label[0] | 0x20);
    copy_question(reply, query, end);
    if (type != A && type != AAAA)
        return;
    if (kind == 'c' || kind == 'd') {
        char target[32];
        int length = snprintf(target + 1, sizeof target - 1, "%c%d", kind == 'c' ? 'n' : 'c', atoi(label + 1));
        target[0] = (char)length;
        memcpy(target + 1 + length, "\3cdn\7example", 13);
        record(reply, CNAME, target, (unsigned)(1 + length + 13));
        reply->bytes[7] = 1;
        return;
    }
    fresh_address(address, type, (unsigned)atoi(label + 1));

    unsigned count = 1;
    if ((kind == 't' || kind == 'g') && !is_tcp) {
        reply->bytes[2] |= 2; // TC
        return;
    }
    if (kind == 'l') {
        static const unsigned char bad[][4] = { { 127, 0, 0, 9 }, { 10, 1, 2, 3 }, { 192, 168, 7, 7 }, { 224, 0, 0, 9 },
            { 169, 254, 9, 9 }, { 0, 0, 0, 0 }, { 255, 255, 255, 255 }, { 100, 64, 1, 1 } };
        static const unsigned char bad6[][16] = { { [15] = 1 }, { 0xfe, 0x80, [15] = 9 }, { 0xfd, 0, [15] = 9 },
            { 0xff, 2, [15] = 9 }, { [10] = 0xff, 0xff, 127, 0, 0, 9 }, { 0 } };
        count = type == A ? sizeof bad / 4 : sizeof bad6 / 16;
        for (unsigned i = 0; i < count; i++)
            record(reply, type, type == A ? bad[i] : bad6[i], size);
    } else {
        record(reply, type, address, size);
        if (kind == 'g' || kind == 'u')
            for (; reply->size + 12 + size <= (kind == 'u' ? 65507 : MOST); count++)
                record(reply, type, address, size);
    }
    reply->bytes[6] = (unsigned char)(count >> 8);
    reply->bytes[7] = (unsigned char)count;
    if (kind == 'f') {
        static const unsigned char padding[250] = { 249 };
        for (int i = 0; i < 16; i++)
            record(reply, TXT, padding, sizeof padding);
        reply->bytes[11] = 16;
    }
}

static void serve_tcp(int fd)
{
    static struct message query, reply;
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    size_t size = 0;
    while (poll(&wait, 1, 1000) > 0) {
        ssize_t got = recv(fd, query.bytes + size, sizeof query.bytes - size, 0);
        if (got <= 0)
            break;
        size += (size_t)got;
        while (size >= 2) {
            size_t length = (size_t)query.bytes[0] << 8 | query.bytes[1];
            size_t end = size >= 2 + length && length > HEADER ? name_end(query.bytes + 2, length, HEADER) : 0;
            if (end == 0 || end + 4 > length)
                break;
            answer(&reply, query.bytes + 2, end + 4, 1);
            unsigned char prefix[2] = { (unsigned char)(reply.size >> 8), (unsigned char)reply.size };
            send(fd, prefix, 2, MSG_MORE);
            send(fd, reply.bytes, reply.size, 0);
            size -= 2 + length;
            memmove(query.bytes, query.bytes + 2 + length, size);
        }
    }
    close(fd);
}

int name_server(int argc, char **argv)
{
    (void)argc;
    static struct message query, reply;
    int udp = socket_of(SOCK_DGRAM, argv[0], 53), tcp = socket_of(SOCK_STREAM, argv[0], 53);
    int other = socket_of(SOCK_DGRAM, argv[1], 53), wrong_port = socket_of(SOCK_DGRAM, argv[0], 54);
    struct pollfd sockets[] = { { .fd = udp, .events = POLLIN }, { .fd = tcp, .events = POLLIN } };
    int forgeries = 0;
    puts("answering");

    while (poll(sockets, 2, -1) > 0) {
        if (sockets[1].revents) {
            int fd = accept4(tcp, NULL, NULL, SOCK_CLOEXEC);
            if (fd >= 0)
                serve_tcp(fd);
        }
        for (int i = 0; sockets[0].revents && i < 64; i++) {
            struct sockaddr_in6 from;
            socklen_t length = sizeof from;
            ssize_t size = recvfrom(udp, query.bytes, sizeof query.bytes, MSG_DONTWAIT, (struct sockaddr *)&from, &length);
            if (size < 0)
                break;
            size_t end = size > HEADER ? name_end(query.bytes, (size_t)size, HEADER) : 0;
            if (end == 0 || end + 4 > (size_t)size)
                continue;
            end += 4;
            int kind = query.bytes[HEADER + 1] | 0x20;
            if (kind == 'x' || kind == 'y') {
                struct peer peer = { .fd = udp, .other = other, .wrong_port = wrong_port, .address = &from };
                forgeries += forge(&peer, query.bytes, end, kind == 'y');
                printf("%d forged\n", forgeries);
            }
            answer(&reply, query.bytes, end, 0);
            send_to(udp, &reply, reply.size, &from);
        }
    }
    die("poll");
}
