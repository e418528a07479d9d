#define SEAM_ITSELF
#include "seam.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

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
    seam.ended = false;
    errno = seam.connect_error;
    return seam.connect_error == 0 ? 0 : -1;
}

int seam_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    require(fd == seam.fd && level == SOL_SOCKET && name == SO_SNDBUF && size == sizeof(int));
    return *(const int *)value > 0 ? 0 : -1;
}

int seam_ioctl(int fd, unsigned long request, int *value)
{
    require(fd == seam.fd && request == SIOCOUTQ);
    *value = seam.unread;
    return 0;
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

ssize_t seam_send(int fd, const void *bytes, size_t size, int flags)
{
    require(fd == seam.fd && flags == (MSG_DONTWAIT | MSG_NOSIGNAL) && size > 0);
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
    memcpy(seam.from_shim + seam.from_shim_size, bytes, size);
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

int seam_close(int fd)
{
    require(fd == seam.fd);
    seam.fd = -1;
    return 0;
}
