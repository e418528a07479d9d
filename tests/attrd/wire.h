/*
 * Messages of attrd's protocol for the stand-in, the tools and the tests. Written from the protocol's page
 * and apart from the shim's own code, so that a mistake in one does not hide in the other.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_MAX 4096
#define PIECE_MAX 3968
#define REQUEST 0x8000u
#define LAST_ID 0x7fffu

enum { OP_OPEN, OP_NOTIFY, OP_SET, OP_GET, OP_SET_REPLY, OP_GET_REPLY };
enum { OK, UNSPECIFIED, TOO_MANY_RANGES, NO_OWNER, BAD_TLV, NO_SPACE, BAD_DATA, TOO_MANY, UNKNOWN_TRANSACTION,
       BAD_PARAM, FORBIDDEN, NOT_OPEN, NOT_FOUND, NO_DAEMON, TIMED_OUT, REJECTED, NOT_IMPLEMENTED };

typedef struct {
    uint32_t sequence;
    size_t size;
    uint8_t bytes[MESSAGE_MAX];
} message;

/* message_end fills in the lengths. The sequence is in wire format. */
void message_begin(message *m, uint32_t sequence);
void message_u8(message *m, unsigned value);
void message_u16(message *m, unsigned value);
void message_u32(message *m, uint32_t value);
void message_blob(message *m, const void *bytes, size_t size);
void message_end(message *m);

/* A whole message at once: "1" u8, "2" u16, "4" u32, each an unsigned int; "b" a blob, void * and size_t. */
message make(uint32_t sequence, const char *types, ...);

/* A value in one piece: operations 1, 2 and 5. */
message make_transfer(uint32_t sequence, unsigned code, unsigned operation, uint32_t attribute,
                      const void *value, size_t size);

typedef struct {
    char type;       /* '1', '2', '4' or 'b' */
    uint32_t number; /* or the size of the blob */
    const uint8_t *blob;
} parameter;

/* Reads the message at the start of the bytes. Returns its size, 0 if it is incomplete, -1 if it is invalid.
   */
int message_size(const uint8_t *bytes, size_t available);

uint32_t message_sequence(const uint8_t *bytes);

/* True if the message has these parameters (see make), "?" for any. Up to 8 are given. */
bool message_is(const uint8_t *bytes, const char *types, parameter *parameters);

/* Converts hexadecimal digits to bytes. Returns their number, or -1. */
int from_hex(const char *text, uint8_t *bytes, size_t room);
void print_hex(const uint8_t *bytes, size_t size);

int64_t now_us(void);

/* Returns the socket, or -1 with errno set. */
int connect_to(const char *path);

#endif
