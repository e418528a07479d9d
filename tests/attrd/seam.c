#define SEAM_ITSELF
#include "seam.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define BARRIER 2000

seam_state seam;

static void require(bool condition)
{
    if (!condition)
        abort();
}

void seam_reset(void)
{
    memset(&seam, 0, offsetof(seam_state, to_shim));
    seam.fd = -1;
    seam.recv_most = seam.send_most = seam.send_room = UINT32_MAX;
}

void seam_give(const void *bytes, uint32_t size)
{
    if (seam.to_shim_taken == seam.to_shim_size)
        seam.to_shim_taken = seam.to_shim_size = 0;
    require(size <= SEAM_ROOM - seam.to_shim_size);
    memcpy(seam.to_shim + seam.to_shim_size, bytes, size);
    seam.to_shim_size += size;
}

int seam_socket(int domain, int type, int protocol)
{
    require(domain == AF_UNIX && type == (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC) && protocol == 0);
    require(seam.fd == -1);
    return seam.fd = 1000;
}

int seam_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    require(fd == seam.fd && address->sa_family == AF_UNIX && size > sizeof address->sa_family);
    seam.connects++;
    seam.to_shim_size = seam.to_shim_taken = seam.from_shim_size = 0;
    seam.ended = seam.left = seam.said_goodbye = false;
    seam.is_connected = seam.connect_error == 0;
    errno = seam.connect_error;
    return seam.connect_error == 0 ? 0 : -1;
}

int seam_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    require(fd == seam.fd && level == SOL_SOCKET && name == SO_SNDBUF && size == sizeof(int));
    return *(const int *)value > 0 ? 0 : -1;
}

int seam_eventfd(unsigned count, int flags)
{
    require(count == 0 && flags == EFD_CLOEXEC && !seam.has_barrier);
    seam.has_barrier = true;
    return BARRIER;
}

static bool fails(void)
{
    errno = seam.failure;
    seam.failure = 0;
    return errno != 0;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Every message, or the rest of it, comes separately and with a descriptor, which ends attrd's read. */
static size_t check_message(const struct msghdr *message, int *sent)
{
    const struct cmsghdr *control = CMSG_FIRSTHDR(message);
    int descriptor;
    require(message->msg_iovlen == 1 && message->msg_iov->iov_len > 0 && message->msg_name == NULL);
    require(control != NULL && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS);
    require(control->cmsg_len == CMSG_LEN(sizeof descriptor));
    memcpy(&descriptor, CMSG_DATA(control), sizeof descriptor);
    require(descriptor == seam.fd || (descriptor == BARRIER && seam.has_barrier));
    *sent = descriptor;
    return message->msg_iov->iov_len;
}

ssize_t seam_sendmsg(int fd, const struct msghdr *message, int flags)
{
    /* An unsolicited set reply, OK, of operation 0, which no attrd ever uses. */
    static const uint8_t goodbye[] = { 0, 0, 0, 0, 20, 0, 0, 0,
                                       0, 12, 0x90, 0, 4, 0x90, 0, 0, 0xa0, 0, 0, 0 };
    int descriptor;
    size_t size = check_message(message, &descriptor);
    require(fd == seam.fd && flags == (MSG_DONTWAIT | MSG_NOSIGNAL) && !seam.said_goodbye);
    if (descriptor == fd) {
        require(size == sizeof goodbye && memcmp(message->msg_iov->iov_base, goodbye, size) == 0);
        seam.said_goodbye = true;
        return (ssize_t)size;
    }
    if (fails())
        return -1;
    if (seam.ended) {
        errno = EPIPE;
        return -1;
    }
    size = least(least(size, seam.send_most), least(seam.send_room, SEAM_ROOM - seam.from_shim_size));
    if (size == 0) {
        errno = EAGAIN;
        return -1;
    }
    memcpy(seam.from_shim + seam.from_shim_size, message->msg_iov->iov_base, size);
    seam.from_shim_size += (uint32_t)size;
    if (seam.send_room != UINT32_MAX)
        seam.send_room -= (uint32_t)size;
    seam.sends++;
    return (ssize_t)size;
}

ssize_t seam_recv(int fd, void *bytes, size_t size, int flags)
{
    require(fd == seam.fd && flags == MSG_DONTWAIT && size > 0);
    if (fails())
        return -1;
    size = least(least(size, seam.recv_most), seam.to_shim_size - seam.to_shim_taken);
    if (size == 0 && !seam.ended) {
        errno = EAGAIN;
        return -1;
    }
    memcpy(bytes, seam.to_shim + seam.to_shim_taken, size);
    seam.to_shim_taken += (uint32_t)size;
    return (ssize_t)size;
}

int seam_shutdown(int fd, int how)
{
    require(fd == seam.fd && how == SHUT_WR && seam.said_goodbye && !seam.left);
    seam.left = true;
    seam.ended |= !seam.lingers;
    return 0;
}

int seam_close(int fd)
{
    if (fd == BARRIER) {
        require(seam.has_barrier);
        seam.has_barrier = false;
    } else {
        require(fd == seam.fd && (!seam.is_connected || seam.left || seam.ended));
        seam.is_connected = false;
        seam.fd = -1;
    }
    return 0;
}
