/*
 * A network in memory, in place of the shim's system calls: attrd_stream.c is compiled with `-include
 * seam.h`. One connection at a time; the test, or the fuzzer, is attrd, and decides how much of anything goes
 * through.
 */
#ifndef SEAM_H
#define SEAM_H

#define _GNU_SOURCE
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEAM_ROOM 262144u

typedef struct {
    int connect_error;      /* errno for connect; 0: attrd is there */
    uint32_t connects;      /* attempts */
    int fd;                 /* of the connection, or -1 */
    bool has_barrier;       /* the descriptor that goes with every message exists */
    bool ended;             /* attrd has closed: recv ends after the remaining bytes */
    bool is_connected;      /* since connect; the shim may not close before it has left or attrd has ended */
    bool said_goodbye;      /* the message that carries the shim's own end was sent */
    bool left;              /* and the shim has shut its side down */
    bool lingers;           /* attrd does not close when the shim has left */
    int failure;            /* errno for the next send or recv, then 0 */

    uint32_t to_shim_size, to_shim_taken;
    uint32_t recv_most;     /* bytes for one recv */

    uint32_t from_shim_size;
    uint32_t send_most;     /* bytes for one send */
    uint32_t send_room;     /* bytes until EAGAIN */
    uint32_t sends;         /* calls that took something */

    uint8_t to_shim[SEAM_ROOM];
    uint8_t from_shim[SEAM_ROOM];
} seam_state;

extern seam_state seam;

/* Resets: attrd is running, everything passes, nothing is open. */
void seam_reset(void);

void seam_give(const void *bytes, uint32_t size);

int seam_socket(int domain, int type, int protocol);
int seam_connect(int fd, const struct sockaddr *address, socklen_t size);
int seam_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int seam_eventfd(unsigned count, int flags);
ssize_t seam_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t seam_recv(int fd, void *bytes, size_t size, int flags);
int seam_shutdown(int fd, int how);
int seam_close(int fd);

#ifndef SEAM_ITSELF
#define socket(domain, type, protocol) seam_socket(domain, type, protocol)
#define connect(fd, address, size) seam_connect(fd, address, size)
#define setsockopt(fd, level, name, value, size) seam_setsockopt(fd, level, name, value, size)
#define eventfd(count, flags) seam_eventfd(count, flags)
#define sendmsg(fd, message, flags) seam_sendmsg(fd, message, flags)
#define recv(fd, bytes, size, flags) seam_recv(fd, bytes, size, flags)
#define shutdown(fd, how) seam_shutdown(fd, how)
#define close(fd) seam_close(fd)
#endif

#endif
