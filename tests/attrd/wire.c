#define _GNU_SOURCE
#include "wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void append(message *m, const void *bytes, size_t size)
{
    if (size > sizeof m->bytes - m->size)
        abort();
    memcpy(m->bytes + m->size, bytes, size);
    m->size += size;
}

static void typed(message *m, unsigned type, uint32_t value, size_t size)
{
    uint8_t big[6] = { (uint8_t)(type >> 8), (uint8_t)type };
    for (size_t i = 0; i < size; i++)
        big[2 + i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    append(m, big, 2 + size);
}

void message_begin(message *m, uint32_t sequence)
{
    m->sequence = sequence;
    m->size = 0;
    append(m, "\0\0\0\0\0\0\0\0\0\0", 10);
}

void message_u8(message *m, unsigned value) { typed(m, 0x9000, value, 1); }
void message_u16(message *m, unsigned value) { typed(m, 0xa000, value, 2); }
void message_u32(message *m, uint32_t value) { typed(m, 0xb000, value, 4); }

void message_blob(message *m, const void *bytes, size_t size)
{
    typed(m, (unsigned)size, 0, 0);
    if (size > 0)
        append(m, bytes, size);
}

void message_end(message *m)
{
    struct {
        uint32_t sequence;
        uint16_t length;
        uint16_t padding;
    } header = { m->sequence, (uint16_t)m->size, 0 };
    memcpy(m->bytes, &header, sizeof header);
    m->bytes[8] = (uint8_t)((m->size - 8) >> 8);
    m->bytes[9] = (uint8_t)(m->size - 8);
}

message make(uint32_t sequence, const char *types, ...)
{
    message m;
    va_list arguments;
    va_start(arguments, types);
    message_begin(&m, sequence);
    for (; *types != '\0'; types++) {
        if (*types == 'b') {
            const void *blob = va_arg(arguments, const void *);
            message_blob(&m, blob, va_arg(arguments, size_t));
        } else {
            unsigned value = va_arg(arguments, unsigned);
            if (*types == '1')
                message_u8(&m, value);
            else if (*types == '2')
                message_u16(&m, value);
            else
                message_u32(&m, value);
        }
    }
    va_end(arguments);
    message_end(&m);
    return m;
}

message make_transfer(uint32_t sequence, unsigned code, unsigned operation, uint32_t attribute,
                      const void *value, size_t size)
{
    return make(sequence, "122422b", code, 0u, operation, attribute, (unsigned)size, 0u, value, size);
}

int message_size(const uint8_t *bytes, size_t available)
{
    uint16_t length;
    if (available < 8)
        return 0;
    memcpy(&length, bytes + 4, sizeof length);
    if (length < 8 || length > MESSAGE_MAX)
        return -1;
    return length <= available ? length : 0;
}

uint32_t message_sequence(const uint8_t *bytes)
{
    uint32_t sequence;
    memcpy(&sequence, bytes, sizeof sequence);
    return sequence;
}

bool message_is(const uint8_t *bytes, const char *types, parameter *parameters)
{
    int size = message_size(bytes, MESSAGE_MAX);
    const uint8_t *at = bytes + 10, *end = bytes + size;
    if (size < 10 || (bytes[8] << 8 | bytes[9]) != size - 8)
        return false;
    for (; at < end; types++, parameters++) {
        if (end - at < 2)
            return false;
        unsigned type = (unsigned)(at[0] << 8 | at[1]);
        size_t length;
        at += 2;
        switch (type) {
        case 0x9000: parameters->type = '1'; length = 1; break;
        case 0xa000: parameters->type = '2'; length = 2; break;
        case 0xb000: parameters->type = '4'; length = 4; break;
        default:
            if (type >= 0x8000)
                return false;
            parameters->type = 'b';
            length = type & 0x3fff;
        }
        if ((size_t)(end - at) < length || (*types != '?' && *types != parameters->type))
            return false;
        parameters->blob = at;
        parameters->number = (uint32_t)length;
        if (parameters->type != 'b') {
            parameters->number = 0;
            for (size_t i = 0; i < length; i++)
                parameters->number = parameters->number << 8 | at[i];
        }
        at += length;
    }
    return *types == '\0';
}

int from_hex(const char *text, uint8_t *bytes, size_t room)
{
    size_t count = 0;
    for (; text[0] != '\0' && text[1] != '\0'; text += 2) {
        char digits[3] = { text[0], text[1], '\0' }, *end;
        if (count == room)
            return -1;
        bytes[count++] = (uint8_t)strtoul(digits, &end, 16);
        if (end != digits + 2)
            return -1;
    }
    return text[0] == '\0' ? (int)count : -1;
}

void print_hex(const uint8_t *bytes, size_t size)
{
    while (size-- > 0)
        printf("%02x", *bytes++);
}

int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}
