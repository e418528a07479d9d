/*
 * The bytes of attrd's protocol: one message and its typed parameters. No state, no I/O.
 *
 * A message: 4 bytes sequence number, 2 bytes length of the whole, 2 bytes zero, all in host byte order, as a
 * C struct lies in memory; then the body: 2 bytes length of the body, then parameters, each a 2-byte type and
 * a value, all big-endian. Everything is read and written by bytes or memcpy: a message may start at any
 * address.
 */
#ifndef ATTRD_WIRE_H
#define ATTRD_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define WIRE_HEADER 8u
#define WIRE_MESSAGE_MAX 4096u
#define WIRE_PIECE_MAX 3968u /* bytes of a value in one message */

#define WIRE_NEW_REQUEST 0x8000u
#define WIRE_ID_MAX 0x7fffu

/* Operations. */
enum { WIRE_OPEN, WIRE_NOTIFY, WIRE_SET, WIRE_GET, WIRE_SET_REPLY };

/* Status codes that only the protocol itself uses; attrd_shim.h has the others. */
enum { WIRE_BAD_TLV = 4, WIRE_TOO_MANY_TRANSACTIONS = 7, WIRE_TRANSACTION_NOT_FOUND = 8 };

/* Types of parameters. */
#define WIRE_U8 0x9000u
#define WIRE_U16 0xa000u
#define WIRE_U32 0xb000u
#define WIRE_NO_BLOB 0x8000u   /* set in every type that is not a blob */
#define WIRE_BLOB_SIZE 0x3fffu /* bit 14 only marks printable bytes */

/* Reads parameters in order. After one that is missing, cut off or of another type, ok is false, and all further ones read as 0. */
typedef struct {
    const uint8_t *at;
    const uint8_t *end;
    bool ok;
} wire_reader;

static inline uint32_t wire_take(wire_reader *reader, uint32_t size)
{
    if (!reader->ok || (uint32_t)(reader->end - reader->at) < size) {
        reader->ok = false;
        return 0;
    }
    uint32_t value = 0;
    while (size-- > 0)
        value = value << 8 | *reader->at++;
    return value;
}

static inline uint32_t wire_take_typed(wire_reader *reader, uint32_t type, uint32_t size)
{
    if (wire_take(reader, 2) != type)
        reader->ok = false;
    return wire_take(reader, size);
}

static inline uint8_t wire_take_u8(wire_reader *reader)
{
    return (uint8_t)wire_take_typed(reader, WIRE_U8, 1);
}

static inline uint16_t wire_take_u16(wire_reader *reader)
{
    return (uint16_t)wire_take_typed(reader, WIRE_U16, 2);
}

static inline uint32_t wire_take_u32(wire_reader *reader)
{
    return wire_take_typed(reader, WIRE_U32, 4);
}

/* The bytes stay where they are, in the message. */
static inline const uint8_t *wire_take_blob(wire_reader *reader, uint32_t *size)
{
    uint32_t type = wire_take(reader, 2);
    const uint8_t *blob = reader->at;
    *size = type & WIRE_BLOB_SIZE;
    if ((type & WIRE_NO_BLOB) != 0 || (uint32_t)(reader->end - reader->at) < *size)
        reader->ok = false;
    if (!reader->ok)
        *size = 0;
    reader->at += *size;
    return blob;
}

/* True if every parameter was present and no bytes are left. */
static inline bool wire_is_done(const wire_reader *reader)
{
    return reader->ok && reader->at == reader->end;
}

/* size: of the whole message, at least WIRE_HEADER. Not ok if the body's own length disagrees. */
static inline wire_reader wire_body(const uint8_t *message, uint32_t size)
{
    wire_reader reader = { message + WIRE_HEADER, message + size, true };
    if (wire_take(&reader, 2) != size - WIRE_HEADER)
        reader.ok = false;
    return reader;
}

static inline uint32_t wire_sequence(const uint8_t *message)
{
    uint32_t sequence;
    memcpy(&sequence, message, sizeof sequence);
    return sequence;
}

/* Of the whole message; 0 to 65535, whatever the sender wrote. */
static inline uint32_t wire_size(const uint8_t *message)
{
    uint16_t size;
    memcpy(&size, message + 4, sizeof size);
    return size;
}

/* True for a size that no message has. The messages that follow cannot be found either. */
static inline bool wire_is_nonsense(uint32_t size)
{
    return size < WIRE_HEADER || size > WIRE_MESSAGE_MAX;
}

/* Writes a message at start. The caller has checked that there is room. */
typedef struct {
    uint8_t *start;
    uint8_t *at;
} wire_writer;

static inline void wire_put(wire_writer *writer, uint32_t value, uint32_t size)
{
    while (size-- > 0)
        *writer->at++ = (uint8_t)(value >> 8 * size);
}

static inline wire_writer wire_begin(uint8_t *start)
{
    return (wire_writer){ start, start + WIRE_HEADER + 2 };
}

static inline void wire_put_u8(wire_writer *writer, uint32_t value)
{
    wire_put(writer, WIRE_U8, 2);
    wire_put(writer, value, 1);
}

static inline void wire_put_u16(wire_writer *writer, uint32_t value)
{
    wire_put(writer, WIRE_U16, 2);
    wire_put(writer, value, 2);
}

static inline void wire_put_u32(wire_writer *writer, uint32_t value)
{
    wire_put(writer, WIRE_U32, 2);
    wire_put(writer, value, 4);
}

static inline void wire_put_blob(wire_writer *writer, const void *bytes, uint32_t size)
{
    wire_put(writer, size, 2);
    if (size > 0)
        memcpy(writer->at, bytes, size);
    writer->at += size;
}

/* Completes the message and returns its size. */
static inline uint32_t wire_end(wire_writer *writer, uint32_t sequence)
{
    uint16_t size = (uint16_t)(writer->at - writer->start);
    memset(writer->start, 0, WIRE_HEADER);
    memcpy(writer->start, &sequence, sizeof sequence);
    memcpy(writer->start + 4, &size, sizeof size);

    wire_writer body = { writer->start, writer->start + WIRE_HEADER };
    wire_put(&body, size - WIRE_HEADER, 2);
    return size;
}

#endif
