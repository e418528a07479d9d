// The echo service of the cloud, TCP and UDP, IPv4 and IPv6, and everything that may answer in its place. A
// file names the mode; each connection gets the mode at its acceptance, so the lab can change it without a
// gap.
#define _GNU_SOURCE
#include "labtool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum mode {
    ECHO,         // every byte is sent back
    WRONG,        // another byte is sent back
    SILENT,       // accepted, never answered
    CLOSE,        // accepted, closed at once
    PORTAL,       // any byte is answered with a page
    PORTAL_ECHO,  // the byte, with a page behind it
    PORTAL_GREET, // a page before anything was asked
};
static const char *const names[] = { "echo", "wrong", "silent", "close", "portal", "portal-echo", "portal-greet" };

enum { TCP, UDP, FIRST_CONNECTION, MOST = 4096 };

static struct pollfd sockets[MOST];
static enum mode modes[MOST];
static nfds_t count = FIRST_CONNECTION;

static const char page[] = "HTTP/1.1 302 Found\r\nLocation: http://portal.example/login\r\nContent-Length: 0\r\n\r\n";

static enum mode read_mode(const char *path)
{
    char word[32] = "";
    FILE *file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%31s", word) != 1)
        die(path);
    fclose(file);

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(word, names[i]) == 0)
            return (enum mode)i;
    errno = EINVAL;
    die(word);
}

static struct pollfd listen_on(int type, int port)
{
    int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int) { 1 }, sizeof(int));
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int) { 0 }, sizeof(int));
    if (type == SOCK_DGRAM)
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &(int) { 1 }, sizeof(int));
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || (type == SOCK_STREAM && listen(fd, 1024) < 0))
        die("bind");
    return (struct pollfd) { .fd = fd, .events = POLLIN };
}

static void send_all(int fd, const void *bytes, size_t size)
{
    if (send(fd, bytes, size, 0) != (ssize_t)size)
        perror("send"); // ignore clients that do not read
}

static void accept_one(const char *mode_file)
{
    int fd = accept4(sockets[TCP].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    enum mode mode = read_mode(mode_file);
    if (mode == PORTAL_GREET)
        send_all(fd, page, sizeof page - 1);
    if (mode == CLOSE || count == MOST) {
        close(fd);
        return;
    }
    modes[count] = mode;
    sockets[count++] = (struct pollfd) { .fd = fd, .events = POLLIN };
}

// Returns false when the connection has ended.
static int serve(int fd, enum mode mode)
{
    char bytes[4096 + sizeof page];
    ssize_t size = recv(fd, bytes, 4096, 0);
    if (size <= 0)
        return size < 0 && (errno == EAGAIN || errno == EINTR);

    switch (mode) {
    case ECHO:
        send_all(fd, bytes, (size_t)size);
        return 1;
    case WRONG:
        bytes[0] ^= 1;
        send_all(fd, bytes, (size_t)size);
        return 1;
    case PORTAL:
        send_all(fd, page, sizeof page - 1);
        return 0;
    case PORTAL_ECHO:
        memcpy(bytes + size, page, sizeof page - 1);
        send_all(fd, bytes, (size_t)size + sizeof page - 1);
        return 0;
    default:
        return 1;
    }
}

// Answer from the address that was asked: a connected socket receives from no other.
static void answer_datagrams(void)
{
    char bytes[2048], control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    struct sockaddr_in6 peer;
    struct iovec part = { .iov_base = bytes };
    for (;;) {
        struct msghdr message = { .msg_name = &peer, .msg_namelen = sizeof peer, .msg_iov = &part, .msg_iovlen = 1,
            .msg_control = control, .msg_controllen = sizeof control };
        part.iov_len = sizeof bytes;
        ssize_t size = recvmsg(sockets[UDP].fd, &message, 0);
        if (size < 0)
            return;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        if (header)
            ((struct in6_pktinfo *)CMSG_DATA(header))->ipi6_ifindex = 0; // let the routes choose the device
        part.iov_len = (size_t)size;
        message.msg_flags = 0;
        sendmsg(sockets[UDP].fd, &message, 0);
    }
}

int echo(int argc, char **argv)
{
    (void)argc;
    sockets[TCP] = listen_on(SOCK_STREAM, atoi(argv[0]));
    sockets[UDP] = listen_on(SOCK_DGRAM, atoi(argv[0]));
    read_mode(argv[1]);
    puts("listening");

    for (;;) {
        if (poll(sockets, count, -1) < 0)
            die("poll");
        nfds_t before = count;

        if (sockets[TCP].revents)
            accept_one(argv[1]);
        if (sockets[UDP].revents)
            answer_datagrams();
        // Downwards, because the last one replaces one that has ended.
        for (nfds_t i = before; i-- > FIRST_CONNECTION;)
            if (sockets[i].revents && !serve(sockets[i].fd, modes[i])) {
                close(sockets[i].fd);
                count--;
                sockets[i] = sockets[count];
                modes[i] = modes[count];
            }
    }
}
