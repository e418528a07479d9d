#include "attrd_stream.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attrd_shim.h"

/*
 * attrd reads at most 4,096 bytes at a time and throws away a message that such a read cuts, so never more
 * than that may lie unread in the socket. SIOCOUTQ tells how much memory does, which is not less than the
 * bytes. The kernel doubles SO_SNDBUF, keeps a message of up to half of that in one piece, and reports
 * EPOLLOUT while no more than a quarter is in use. So what fits beside a quarter can wait for EPOLLOUT; what
 * is longer has to be tried again.
 */
#define READ_BY_ATTRD 4096u
#define SEND_BUFFER 4160
#define LONGEST_AFTER_EPOLLOUT (READ_BY_ATTRD - SEND_BUFFER * 2 / 4)
#define RETRY_NS UINT64_C(5000000)

void attrd_stream_init(attrd_stream *stream)
{
    stream->fd = -1;
    stream->in_start = stream->in_end = 0;
    stream->out_start = stream->out_end = stream->out_rest = 0;
    stream->retry = UINT64_MAX;
}

int attrd_stream_connect(attrd_stream *stream, const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;

    /* In the Unix domain this is done at once, or has failed; EAGAIN is a full backlog. */
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) != 0) {
        int error = errno;
        close(fd);
        return error;
    }

    int size = SEND_BUFFER;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    stream->fd = fd;
    return 0;
}

void attrd_stream_close(attrd_stream *stream)
{
    if (stream->fd >= 0)
        close(stream->fd);
    attrd_stream_init(stream);
}

int attrd_stream_receive(attrd_stream *stream)
{
    stream->in_end -= stream->in_start;
    memmove(stream->in, stream->in + stream->in_start, stream->in_end);
    stream->in_start = 0;
    uint32_t room = sizeof stream->in - stream->in_end;
    if (room == 0)
        return STREAM_FINE;
    ssize_t count = recv(stream->fd, stream->in + stream->in_end, room, MSG_DONTWAIT);
    if (count == 0)
        return STREAM_ENDED;
    if (count < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? STREAM_FINE : errno;
    stream->in_end += (uint32_t)count;
    return STREAM_FINE;
}

bool attrd_stream_has_message(const attrd_stream *stream)
{
    uint32_t there = stream->in_end - stream->in_start;
    if (there < WIRE_HEADER)
        return false;
    uint32_t size = wire_size(stream->in + stream->in_start);
    return wire_is_nonsense(size) || (size <= there && attrd_stream_has_room(stream, STREAM_FREE));
}

const uint8_t *attrd_stream_take(attrd_stream *stream, uint32_t *size)
{
    const uint8_t *message = stream->in + stream->in_start;
    *size = wire_size(message);
    if (!wire_is_nonsense(*size))
        stream->in_start += *size;
    return message;
}

bool attrd_stream_has_room(const attrd_stream *stream, uint32_t size)
{
    return sizeof stream->out - (stream->out_end - stream->out_start) >= size;
}

wire_writer attrd_stream_begin(attrd_stream *stream)
{
    stream->out_end -= stream->out_start;
    memmove(stream->out, stream->out + stream->out_start, stream->out_end);
    stream->out_start = 0;
    return wire_begin(stream->out + stream->out_end);
}

void attrd_stream_end(attrd_stream *stream, wire_writer *message, uint32_t sequence)
{
    stream->out_end += wire_end(message, sequence);
}

static bool attrd_can_take(attrd_stream *stream, uint32_t size, uint64_t now)
{
    int unread = 0;
    if (ioctl(stream->fd, SIOCOUTQ, &unread) != 0 || (uint32_t)unread + size <= READ_BY_ATTRD)
        return true;
    if (size > LONGEST_AFTER_EPOLLOUT)
        stream->retry = now + RETRY_NS;
    return false;
}

int attrd_stream_flush(attrd_stream *stream, uint64_t now)
{
    stream->retry = UINT64_MAX;
    while (stream->out_start < stream->out_end) {
        const uint8_t *bytes = stream->out + stream->out_start;
        uint32_t size = stream->out_rest > 0 ? stream->out_rest : wire_size(bytes);
        if (stream->out_rest == 0 && !attrd_can_take(stream, size, now))
            return STREAM_FINE;

        ssize_t count = send(stream->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? STREAM_FINE : errno;
        stream->out_start += (uint32_t)count;
        stream->out_rest = size - (uint32_t)count;
    }
    return STREAM_FINE;
}

uint32_t attrd_stream_events(const attrd_stream *stream)
{
    uint32_t events = 0;
    if (stream->fd >= 0 && stream->in_end - stream->in_start < sizeof stream->in)
        events |= ATTRD_READABLE;
    if (stream->out_start < stream->out_end && stream->retry == UINT64_MAX)
        events |= ATTRD_WRITABLE;
    return events;
}
