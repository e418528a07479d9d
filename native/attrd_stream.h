/*
 * The stream to attrd: its descriptor, and the messages that were read from it and that wait to be written to
 * it, in two buffers of fixed size. All I/O of the shim is here, and none of it blocks. This part knows only
 * where messages end.
 */
#ifndef ATTRD_STREAM_H
#define ATTRD_STREAM_H

#include <sys/un.h>

#include "attrd_wire.h"

/* The free space when a message is taken: enough for the longest answer, and for a request of the shim before it. */
#define STREAM_REQUEST_MAX 128u
#define STREAM_FREE (WIRE_MESSAGE_MAX + STREAM_REQUEST_MAX)

typedef struct {
    int fd;            /* -1: none; then both buffers are empty */
    int barrier;       /* a descriptor for send_with */
    uint32_t in_start; /* the first byte not taken yet */
    uint32_t in_end;
    uint32_t out_start; /* the first byte not sent yet */
    uint32_t out_end;
    uint32_t out_rest; /* of a message that was sent in part, or 0 */
    uint8_t in[WIRE_MESSAGE_MAX];
    uint8_t out[2 * STREAM_FREE];
} attrd_stream;

/* Without a descriptor, empty. */
void attrd_stream_init(attrd_stream *stream);

/* 0, or the errno of a failure. */
int attrd_stream_connect(attrd_stream *stream, const struct sockaddr_un *address);

/*
 * Ends sending, and drops what waits in both buffers. attrd can answer until it has read all that was sent,
 * even if the stream is closed at once. Then attrd closes its side.
 */
void attrd_stream_leave(attrd_stream *stream);

void attrd_stream_close(attrd_stream *stream);

enum { STREAM_FINE = 0, STREAM_ENDED = -1 }; /* and, above 0, the errno of a failure: close it */

/* Reads once, if the buffer has room. */
int attrd_stream_receive(attrd_stream *stream);

/* After attrd_stream_leave: reads once, and drops what it reads. */
int attrd_stream_drain(attrd_stream *stream);

/* True if a message can be taken and answered at once, or if its size is invalid. */
bool attrd_stream_has_message(const attrd_stream *stream);

/* Takes the message; NULL if its size is invalid. The bytes stay valid until the next receive. */
const uint8_t *attrd_stream_take(attrd_stream *stream, uint32_t *size);

/* True if a message of that size can be written. */
bool attrd_stream_has_room(const attrd_stream *stream, uint32_t size);

/* Writes a message behind those that wait. The caller has checked that there is room. */
wire_writer attrd_stream_begin(attrd_stream *stream);
void attrd_stream_end(attrd_stream *stream, wire_writer *message, uint32_t sequence);

/* Sends as much as the kernel accepts now, each message by itself. */
int attrd_stream_flush(attrd_stream *stream);

/* Returns what to wait for: ATTRD_READABLE, ATTRD_WRITABLE. */
uint32_t attrd_stream_events(const attrd_stream *stream);

#endif
