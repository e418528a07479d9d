/*
 * A small client of attrd, for tests.
 *
 *     attrc [-s SOCKET] [-n NAME] [-t SECONDS] get ID          prints `get ID STATUS VALUE`
 *     attrc ...                               set ID VALUE     prints `set ID STATUS`
 *     attrc ...                               listen RANGE...  prints `listening`, then `notify ID VALUE`s
 *
 * VALUE is in hexadecimal, a RANGE is ID or FIRST-LAST. Every line begins with the time in microseconds of
 * the monotonic clock. -t is how long to wait for an answer (default 6), or to listen (default: for ever).
 * Exit status: 0 if the status was 0 (listen: the time is over), 1 if not, 64 bad usage, 69 no attrd, or it
 * went away, 75 no answer in time.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

enum { EXIT_USAGE = 64, EXIT_NO_ATTRD = 69, EXIT_NO_ANSWER = 75 };

static int fd;
static int64_t deadline;
static uint8_t received[65536];
static size_t received_size, taken;

static void usage(void)
{
    fputs("attrc [-s SOCKET] [-n NAME] [-t SECONDS] get ID | set ID HEX | listen ID|FIRST-LAST...\n", stderr);
    exit(EXIT_USAGE);
}

static void line(const char *what)
{
    printf("%lld %s", (long long)now_us(), what);
}

static void transmit(message m)
{
    if (send(fd, m.bytes, m.size, MSG_NOSIGNAL) != (ssize_t)m.size)
        exit(EXIT_NO_ATTRD);
}

/* Returns the next message, valid until the next call. */
static const uint8_t *next_message(int at_deadline)
{
    for (;;) {
        int size = message_size(received + taken, received_size - taken);
        if (size > 0) {
            taken += (size_t)size;
            return received + taken - size;
        }
        if (size < 0)
            exit(EXIT_NO_ATTRD);
        received_size -= taken;
        memmove(received, received + taken, received_size);
        taken = 0;

        int64_t wait = deadline == INT64_MAX ? -1 : (deadline - now_us() + 999) / 1000;
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (poll(&p, 1, wait < 0 && deadline != INT64_MAX ? 0 : (int)wait) == 0)
            exit(at_deadline);
        ssize_t count = recv(fd, received + received_size, sizeof received - received_size, 0);
        if (count <= 0)
            exit(EXIT_NO_ATTRD);
        received_size += (size_t)count;
    }
}

/* Waits for the answer to a request of ours. */
static const uint8_t *answer_to(unsigned id)
{
    for (;;) {
        const uint8_t *m = next_message(EXIT_NO_ANSWER);
        if ((message_sequence(m) & 0xffff) == id)
            return m;
    }
}

static int get(uint32_t attribute)
{
    parameter p[8];
    transmit(make(REQUEST | 2, "142", OP_GET, attribute, 1u));
    const uint8_t *m = answer_to(2);
    bool has_value = message_is(m, "12b", p);
    if (!has_value && !message_is(m, "12", p))
        exit(EXIT_NO_ATTRD);
    line("get");
    printf(" %u %u ", attribute, p[0].number);
    if (has_value)
        print_hex(p[2].blob, p[2].number);
    putchar('\n');
    return p[0].number != OK;
}

static int set(uint32_t attribute, const char *hex)
{
    static uint8_t value[PIECE_MAX];
    parameter p[8];
    int size = from_hex(hex, value, sizeof value);
    if (size < 0)
        usage();
    transmit(make_transfer(REQUEST | 2, OP_SET, 1, attribute, value, (size_t)size));
    const uint8_t *m = answer_to(2);
    if (!message_is(m, "12", p))
        exit(EXIT_NO_ATTRD);
    unsigned status = p[0].number;
    if (status == OK) {
        while (!message_is(m, "112", p) || p[0].number != OP_SET_REPLY || p[2].number != 1)
            m = next_message(EXIT_NO_ANSWER);
        status = p[1].number;
    }
    line("set");
    printf(" %u %u\n", attribute, status);
    return status != OK;
}

static _Noreturn void listen_on(void)
{
    parameter p[8];
    line("listening\n");
    for (unsigned transaction = 1;; transaction = transaction % 65535 + 1) {
        const uint8_t *m = next_message(0);
        if ((message_sequence(m) & REQUEST) == 0 || !message_is(m, "122422b", p) || p[0].number != OP_NOTIFY)
            continue;
        line("notify");
        printf(" %u ", p[3].number);
        print_hex(p[6].blob, p[6].number);
        putchar('\n');
        transmit(make(message_sequence(m) & LAST_ID, "12", OK, transaction));
    }
}

static unsigned parse_ranges(char **texts, int count, uint32_t *ranges)
{
    if (count > 10)
        usage();
    for (int i = 0; i < count; i++) {
        char *end;
        ranges[2 * i] = ranges[2 * i + 1] = (uint32_t)strtoul(texts[i], &end, 10);
        if (*end == '-')
            ranges[2 * i + 1] = (uint32_t)strtoul(end + 1, &end, 10);
        if (*end != '\0')
            usage();
    }
    return (unsigned)count;
}

int main(int argc, char **argv)
{
    const char *path = "/var/run/IPC.ATTRD";
    char own_name[32], *name = own_name; /* unique: attrd closes the first of two with one name */
    uint32_t ranges[20];
    unsigned range_count = 0;
    long seconds = -1;
    parameter p[8];
    snprintf(own_name, sizeof own_name, "IPC.ATTRC.%d", (int)getpid());
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int option; (option = getopt(argc, argv, "s:n:t:")) != -1;) {
        if (option == 's')
            path = optarg;
        else if (option == 'n')
            name = optarg;
        else if (option == 't')
            seconds = strtol(optarg, NULL, 10);
        else
            usage();
    }
    argc -= optind;
    argv += optind;
    bool gets = argc == 2 && strcmp(argv[0], "get") == 0;
    bool sets = argc == 3 && strcmp(argv[0], "set") == 0;
    bool listens = argc >= 2 && strcmp(argv[0], "listen") == 0;
    if (!gets && !sets && !listens)
        usage();
    if (listens)
        range_count = parse_ranges(argv + 1, argc - 1, ranges);

    fd = connect_to(path);
    if (fd < 0) {
        perror(path);
        return EXIT_NO_ATTRD;
    }
    deadline = now_us() + (seconds < 0 ? 6 : seconds) * 1000000;
    transmit(range_count == 0 ? make(REQUEST | 1, "1b2", OP_OPEN, name, strlen(name), 0u)
                              : make(REQUEST | 1, "1b2b", OP_OPEN, name, strlen(name), range_count, ranges,
                                     (size_t)range_count * 8));
    if (!message_is(answer_to(1), "1", p) || p[0].number != OK)
        return EXIT_NO_ATTRD;
    if (gets)
        return get((uint32_t)strtoul(argv[1], NULL, 10));
    if (sets)
        return set((uint32_t)strtoul(argv[1], NULL, 10), argv[2]);
    if (seconds < 0)
        deadline = INT64_MAX;
    listen_on();
}
