// Messages of DNS (RFC 1035) and addresses, for the server and for the clients.
#ifndef DNS_MESSAGE_H
#define DNS_MESSAGE_H

#include "labtool.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum { HEADER = 12, MOST = 65535, A = 1, CNAME = 5, TXT = 16, AAAA = 28 };

// Returns the end of the name that begins at a place, or 0.
static inline size_t name_end(const unsigned char *bytes, size_t size, size_t at)
{
    while (at < size && bytes[at] != 0) {
        if (bytes[at] >= 0xc0)
            return at + 2 <= size ? at + 2 : 0;
        at += 1 + (size_t)bytes[at];
    }
    return at < size ? at + 1 : 0;
}

// Parses an address of either family, as one of IPv6.
static inline struct sockaddr_in6 address_of(const char *text, int port)
{
    struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
    struct in_addr v4;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        address.sin6_addr.s6_addr[10] = address.sin6_addr.s6_addr[11] = 0xff;
        memcpy(address.sin6_addr.s6_addr + 12, &v4, 4);
    } else if (inet_pton(AF_INET6, text, &address.sin6_addr) != 1) {
        fprintf(stderr, "labtool: %s: not an address\n", text);
        exit(64);
    }
    return address;
}

#endif
