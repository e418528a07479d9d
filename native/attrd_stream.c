#include "attrd_stream.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attrd_shim.h"

/* The kernel doubles this, and sends a message of up to half of that size whole or not at all. A few short
 * messages fill the buffer, so only few are in the kernel at a time. */
#define SEND_BUFFER 4160

/* The last message has room, whatever waits before it. */
#define LEAVE_BUFFER 65536

static void forget_messages(attrd_stream *stream)
{
    stream->in_start = stream->in_end = 0;
    stream->out_start = stream->out_end = stream->out_rest = 0;
}

void attrd_stream_init(attrd_stream *stream)
{
    stream->fd = stream->barrier = -1;
    forget_messages(stream);
}

int attrd_stream_connect(attrd_stream *stream, const struct sockaddr_un *address)
{
    int size = SEND_BUFFER;

    /* A connect in the Unix domain is done at once, or has failed; EAGAIN is a full backlog. */
    if ((stream->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) < 0 ||
        (stream->barrier = eventfd(0, EFD_CLOEXEC)) < 0 ||
        connect(stream->fd, (const struct sockaddr *)address, sizeof *address) != 0 ||
        setsockopt(stream->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) != 0) {
        int error = errno;
        attrd_stream_close(stream);
        return error;
    }
    return 0;
}

void attrd_stream_close(attrd_stream *stream)
{
    if (stream->fd >= 0)
        close(stream->fd);
    if (stream->barrier >= 0)
        close(stream->barrier);
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

/*
 * attrd reads at most 4,096 bytes at a time, and drops a message that such a read cuts. It does not report how
 * much it has read, and a read may still be running while the shim sends. But a message with a descriptor ends
 * the read that reaches it (unix(7): ancillary data is a barrier), so every message carries one. attrd reads
 * with recv, which accepts no descriptor: the kernel closes it.
 */
static ssize_t send_with(const attrd_stream *stream, int descriptor, const uint8_t *bytes, uint32_t size)
{
    union {
        struct cmsghdr header;
        uint8_t bytes[CMSG_SPACE(sizeof descriptor)];
    } control = { .bytes = { 0 } };
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof descriptor);
    memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);

    struct iovec data = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = size };
    struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
                              .msg_controllen = sizeof control };
    return sendmsg(stream->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int attrd_stream_flush(attrd_stream *stream)
{
    while (stream->out_start < stream->out_end) {
        const uint8_t *bytes = stream->out + stream->out_start;
        uint32_t size = stream->out_rest > 0 ? stream->out_rest : wire_size(bytes);
        ssize_t count = send_with(stream, stream->barrier, bytes, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? STREAM_FINE : errno;
        stream->out_start += (uint32_t)count;
        stream->out_rest = size - (uint32_t)count;
    }
    return STREAM_FINE;
}

/*
 * attrd dies of SIGPIPE when it answers a peer that has closed. If it was stopped or busy, it may still have to
 * answer a request of ours. So our end must exist until attrd has read everything. The last message carries
 * our end as its descriptor: the kernel keeps it open while the message waits for attrd, even after this
 * process has ended. attrd takes the message for the reply to a set that it never made (its operation ids begin
 * with 1): it logs that, does not answer, and then reads the end of the stream.
 */
void attrd_stream_leave(attrd_stream *stream)
{
    int size = LEAVE_BUFFER;
    forget_messages(stream);
    setsockopt(stream->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    wire_writer message = attrd_stream_begin(stream);
    wire_put_u8(&message, WIRE_SET_REPLY);
    wire_put_u8(&message, ATTRD_STATUS_OK);
    wire_put_u16(&message, 0);
    attrd_stream_end(stream, &message, 0);
    send_with(stream, stream->fd, stream->out, stream->out_end); /* fails only if attrd has closed already */
    shutdown(stream->fd, SHUT_WR);
    forget_messages(stream);
}

int attrd_stream_drain(attrd_stream *stream)
{
    int result = attrd_stream_receive(stream);
    forget_messages(stream);
    return result;
}

uint32_t attrd_stream_events(const attrd_stream *stream)
{
    uint32_t events = 0;
    if (stream->fd >= 0 && stream->in_end - stream->in_start < sizeof stream->in)
        events |= ATTRD_READABLE;
    if (stream->out_start < stream->out_end)
        events |= ATTRD_WRITABLE;
    return events;
}
