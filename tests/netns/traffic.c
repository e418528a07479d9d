// Traffic: a single question, a flood, and an application that talks all the time.
#define _GNU_SOURCE
#include "labtool.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static int mark; // the firewall mark, 0 for none

static int connect_to(int type, const char *host, const char *port, const char *link)
{
    struct addrinfo hints = { .ai_socktype = type, .ai_flags = AI_NUMERICHOST }, *address;
    if (getaddrinfo(host, port, &hints, &address) != 0) {
        fprintf(stderr, "labtool: %s port %s: not an address\n", host, port);
        exit(64);
    }
    int fd = socket(address->ai_family, type | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval) { .tv_sec = 1 }, sizeof(struct timeval)); // also of connect
    if (link && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, link, (socklen_t)strlen(link)) < 0)
        die(link);
    if (mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) < 0)
        die("SO_MARK");
    if (fd >= 0 && connect(fd, address->ai_addr, address->ai_addrlen) < 0) {
        int why = errno;
        close(fd);
        errno = why;
        fd = -1;
    }
    freeaddrinfo(address);
    return fd;
}

static void pause_us(int64_t us)
{
    if (us > 0)
        usleep((useconds_t)us);
}

// Asks the echo service over one link and prints the result, in one word if possible.
int ask(int argc, char **argv)
{
    if (argc > 3)
        mark = (int)strtol(argv[3], NULL, 0);
    int fd = connect_to(SOCK_STREAM, argv[1], argv[2], argv[0]);
    if (fd < 0) {
        puts(errno == EINPROGRESS ? "timeout" : strerror(errno));
        return 1;
    }

    struct pollfd answer = { .fd = fd, .events = POLLIN };
    char got[256];
    if (poll(&answer, 1, 50) > 0)
        puts(recv(fd, got, sizeof got, 0) > 0 ? "unasked" : "closed");
    else if (send(fd, "x", 1, 0) != 1 || poll(&answer, 1, 1000) <= 0)
        puts("silence");
    else {
        ssize_t size = recv(fd, got, sizeof got, 0);
        puts(size <= 0 ? "closed" : size > 1 ? "page" : got[0] == 'x' ? "echo" : "wrong");
    }
    return 0;
}

int flood(int argc, char **argv)
{
    enum { BATCH = 64 };
    double rate = atof(argv[2]), seconds = atof(argv[3]);
    int size = rate < 10000 ? 1 : BATCH; // spread evenly what the processor can send one by one
    setpriority(PRIO_PROCESS, 0, -20); // the flood must not wait for the processor
    int fd = connect_to(SOCK_DGRAM, argv[0], argv[1], NULL);
    if (fd < 0)
        die("connect");

    static char payload[1400] = "flood";
    struct iovec part = { payload, argc > 4 ? (size_t)atoi(argv[4]) : sizeof "flood" };
    if (part.iov_len > sizeof payload)
        return 64;
    struct mmsghdr batch[BATCH];
    memset(batch, 0, sizeof batch);
    for (int i = 0; i < BATCH; i++)
        batch[i].msg_hdr = (struct msghdr) { .msg_iov = &part, .msg_iovlen = 1 };

    int64_t began = now_us(), sent = 0, tried = 0;
    while ((double)(now_us() - began) < seconds * 1e6) {
        // Continue: an ICMP error for an earlier packet makes one call fail, and a firewall each.
        int n = sendmmsg(fd, batch, (unsigned)size, 0);
        sent += n > 0 ? n : 0;
        tried += n > 0 ? n : size;
        pause_us(began + (int64_t)((double)tried * 1e6 / rate) - now_us());
    }
    printf("%.0f packets a second\n", (double)sent * 1e6 / (double)(now_us() - began));
    return 0;
}

// RFC 1035: a question for the IPv4 address of echo.example. The id is filled in later.
static const char dns_question[] = "\0\0\1\0\0\1\0\0\0\0\0\0\4echo\7example\0\0\1\0\1";

// A well-behaved application: asks at regular intervals, and reconnects as soon as its connection is lost.
// Prints a line with the time for each event, so that a test sees how long the application was without its
// service.
int talk(int argc, char **argv)
{
    bool is_dns = strcmp(argv[0], "dns") == 0;
    int type = is_dns || strcmp(argv[0], "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM;
    int interval = argc > 3 ? atoi(argv[3]) : 100;

    for (;;) {
        int fd = connect_to(type, argv[1], argv[2], NULL);
        if (fd < 0) {
            printf("%lld failed: %s\n", (long long)now_us(), strerror(errno));
            pause_us(interval * 1000);
            continue;
        }
        int64_t began = now_us();
        printf("%lld connected\n", (long long)began);

        for (char byte = 'a';; byte = byte == 'z' ? 'a' : (char)(byte + 1)) {
            struct pollfd answer = { .fd = fd, .events = POLLIN };
            char got = 0, question[sizeof dns_question - 1];
            memcpy(question, dns_question, sizeof question);
            question[0] = byte;
            size_t size = is_dns ? sizeof question : 1;
            int64_t asked = now_us();
            if (send(fd, question, size, 0) != (ssize_t)size)
                break;
            int ready = poll(&answer, 1, type == SOCK_DGRAM ? interval : -1);
            if (ready > 0 && recv(fd, &got, 1, 0) != 1)
                break;
            printf("%lld %s\n", (long long)now_us(), ready > 0 ? "answer" : "silence");
            pause_us(asked + interval * 1000 - now_us());
        }
        printf("%lld lost: %s\n", (long long)now_us(), strerror(errno));
        close(fd);
        pause_us(began + interval * 1000 - now_us()); // a firewall may refuse each packet at once
    }
}
