#include "recording.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads the bytes after the colon, up to the first other text; bars only separate parameters. */
static size_t read_bytes(const char *line, uint8_t *bytes, size_t room)
{
    size_t count = 0;
    unsigned byte;
    int used;
    for (line = strchr(line, ':') + 1; count < room; line += used) {
        line += strspn(line, " |");
        bool is_word = line[strspn(line, "0123456789abcdef")] > ' ';
        if (is_word || sscanf(line, "%2x%n", &byte, &used) != 1 || used != 2)
            break;
        bytes[count++] = (uint8_t)byte;
    }
    return count;
}

static void malformed(const char *path, const char *line)
{
    fprintf(stderr, "%s: not understood: %s\n", path, line);
    exit(1);
}

unsigned recording_read(const char *directory, const char *name, recorded *messages)
{
    char path[512], line[32768];
    unsigned count = 0, chunk = 0, size;
    bool sent = false;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        malformed(path, "no such file");
    while (fgets(line, sizeof line, file) != NULL) {
        char direction[5];
        recorded *next = &messages[count];
        if (sscanf(line, "%*f fd%*d %4s %u bytes", direction, &size) == 2) {
            sent = strcmp(direction, "SEND") == 0;
            chunk++;
        } else if (strncmp(line, "      header 8B:", 16) == 0) {
            *next = (recorded){ .sent = sent, .chunk = chunk };
            if (count == RECORDING_MOST - 1 || read_bytes(line, next->message.bytes, 8) != 8)
                malformed(path, line);
            next->message.sequence = message_sequence(next->message.bytes);
        } else if (sscanf(line, "      body %uB:", &size) == 1) {
            next->message.size = 8 + size;
            if (read_bytes(line, next->message.bytes + 8, MESSAGE_MAX - 8) != size ||
                message_size(next->message.bytes, next->message.size) != (int)next->message.size)
                malformed(path, line);
            count++;
        } else if (strncmp(line, "             :", 14) != 0 && strstr(line, "shutdown(") == NULL) {
            malformed(path, line);
        }
    }
    fclose(file);
    if (count == 0)
        malformed(path, "no message");
    return count;
}

bool recording_same_answer(const uint8_t *a, const uint8_t *b)
{
    parameter p[8];
    int size = message_size(a, MESSAGE_MAX);
    if (size != message_size(b, MESSAGE_MAX) || size < 8 || memcmp(a + 4, b + 4, 4) != 0)
        return false;
    bool is_answer_to_piece = message_is(a, "12", p) && p[0].number == OK;
    int compared = is_answer_to_piece ? size - 2 : size;
    return memcmp(a + 8, b + 8, (size_t)compared - 8) == 0;
}
