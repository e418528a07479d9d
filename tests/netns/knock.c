// Sends ICMP messages of any kind, and reports those that arrive.
#define _GNU_SOURCE
#include "labtool.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static uint16_t checksum(const unsigned char *bytes, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return (uint16_t)~sum;
}

// knock ADDRESS TYPE CODE HOPS TEXT: sends one ICMP message, IPv4 or IPv6, with the text after its header. An
// address may have a %LINK. A real error message quotes a packet; this text quotes none that was ever sent.
int knock(int argc, char **argv)
{
    (void)argc;
    unsigned char message[1024] = { (unsigned char)atoi(argv[1]), (unsigned char)atoi(argv[2]) };
    int hops = atoi(argv[3]), is4 = strchr(argv[0], ':') == NULL;
    size_t size = 8 + strlen(argv[4]);
    if (size > sizeof message)
        return 64;
    memcpy(message + 8, argv[4], size - 8);
    struct addrinfo hints = { .ai_socktype = SOCK_RAW, .ai_flags = AI_NUMERICHOST }, *to;
    if (getaddrinfo(argv[0], NULL, &hints, &to) != 0)
        return 64;
    int fd = socket(to->ai_family, SOCK_RAW, is4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
    if (is4) {
        uint16_t sum = checksum(message, size);
        message[2] = (unsigned char)(sum >> 8), message[3] = (unsigned char)sum;
        setsockopt(fd, IPPROTO_IP, IP_TTL, &hops, sizeof hops);
    } else {
        setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof hops);
    }
    if (sendto(fd, message, size, 0, to->ai_addr, to->ai_addrlen) < 0)
        die("sendto");
    return 0;
}

// heard: prints type and text of each ICMP message that reaches a process, until it is killed.
int heard(int argc, char **argv)
{
    (void)argc, (void)argv;
    struct pollfd sockets[] = { { .fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), .events = POLLIN },
                                { .fd = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), .events = POLLIN } };
    puts("listening");
    for (;;) {
        if (poll(sockets, 2, -1) < 0)
            die("poll");
        for (int i = 0; i < 2; i++) {
            unsigned char message[2048];
            ssize_t size = sockets[i].revents ? recv(sockets[i].fd, message, sizeof message, 0) : 0;
            ssize_t header = i == 0 ? 20 : 0;
            if (size >= header + 8)
                printf("ICMPv%d %d %.*s\n", i == 0 ? 4 : 6, message[header], (int)(size - header - 8), message + header + 8);
        }
    }
}
