/*
 * Says to an attrd what a recorded client said, and expects to hear what that client heard, byte for byte but
 * for client ids and transactions. It waits up to a minute for each message.
 *
 *     replay_client SOCKET DIRECTORY FILE
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "recording.h"

static recorded messages[RECORDING_MOST];

/* True if the next message from attrd is this one. */
static bool hears(int fd, const message *expected)
{
    static uint8_t bytes[2 * MESSAGE_MAX];
    size_t size = 0;
    while (size < expected->size) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (poll(&p, 1, 60000) <= 0)
            return false;
        ssize_t count = recv(fd, bytes + size, expected->size - size, 0);
        if (count <= 0)
            return false;
        size += (size_t)count;
    }
    return recording_same_answer(bytes, expected->bytes) &&
           (message_sequence(bytes) & 0xffff) == (expected->sequence & 0xffff) &&
           (message_sequence(bytes) > 0xffff) == (expected->sequence > 0xffff);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 64;
    unsigned count = recording_read(argv[2], argv[3], messages);
    int fd = connect_to(argv[1]);
    if (fd < 0) {
        perror(argv[1]);
        return 69;
    }
    for (unsigned i = 0; i < count; i++) {
        const message *m = &messages[i].message;
        bool is_done = messages[i].sent ? send(fd, m->bytes, m->size, MSG_NOSIGNAL) == (ssize_t)m->size
                                        : hears(fd, m);
        if (!is_done) {
            printf("# %s: message %u is another\n", argv[3], i + 1);
            return 1;
        }
    }
    return 0;
}
