/*
 * What the stand-in can be told. Times in milliseconds, values in hexadecimal.
 *
 *     open answer | open silent | open refuse STATUS      how opens are answered
 *     sets answer | sets half | sets silent               the owner's sets: half is without the set reply
 *     sets refuse STATUS | sets refuse-piece STATUS       in the set reply, in the answer to the piece
 *     sets delay MS                                       answered so late
 *     gets answer | gets silent                           gets of other clients
 *     hang | resume                                       neither reads nor writes
 *     close                                               closes the owner's connection
 *     close-after BYTES                                   the same, after so many more bytes were sent to it
 *     leave | return                                      attrd ends; starts anew
 *     chunk BYTES                                         sends to the owner in so small portions; 0: whole
 *     pieces BYTES                                        sets go to the owner in pieces of that size
 *     nonsense NAME                                       one of the messages below goes to the owner
 *     raw HEX                                             these bytes go to the owner
 *     get ID [COUNT]                                      asks the owner, COUNT times at once
 *     storm ID RATE MS                                    asks the owner RATE times a second
 *     set ID HEX                                          sets the owner's attribute
 *     notify ID HEX                                       notifies the listeners
 *     quit
 *
 * get and storm end with a line `answers N of COUNT values N in US us`.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "standin.h"

misbehaviour mis = { .bytes_left = -1, .piece = PIECE_MAX };

/* Gets that are not answered yet. */
static struct {
    bool runs;
    uint32_t attribute;
    unsigned count, asked;
    int64_t began, rate; /* per second; 0: all at once */
    int64_t give_up;     /* without another answer */
    unsigned last_answers;
} burst;

int control_open(const char *path)
{
    unlink(path);
    if (mkfifo(path, 0600) != 0) {
        perror(path);
        return -1;
    }
    return open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC); /* also for writing, so it never ends */
}

void control_read(int fd)
{
    static char line[16384];
    static size_t size;
    ssize_t count = read(fd, line + size, sizeof line - 1 - size);
    if (count <= 0)
        return;
    size += (size_t)count;
    line[size] = '\0';
    for (char *end; (end = strchr(line, '\n')) != NULL;) {
        *end = '\0';
        control_command(line);
        size -= (size_t)(end + 1 - line);
        memmove(line, end + 1, size + 1);
    }
    if (size == sizeof line - 1)
        size = 0;
}

/* ---- nonsense ---- */

static message with(message m, size_t offset, unsigned value)
{
    m.bytes[offset] = (uint8_t)value;
    m.bytes[offset + 1] = (uint8_t)(value >> 8);
    return m;
}

static bool give_nonsense(client *owner, const char *name)
{
    const message get = make(REQUEST | 7, "142", OP_GET, 65008u, 7u);
    static const uint8_t big[MESSAGE_MAX - 15];
    const struct {
        const char *name;
        message message;
    } all[] = {
        { "length-7", with(get, 4, 7) },
        { "length-0", with(get, 4, 0) },
        { "length-4097", with(get, 4, 4097) },
        { "length-65535", with(get, 4, 65535) },
        { "body-too-short", with(get, 8, 0x0e00) },
        { "body-too-long", with(get, 8, 0xffff) },
        { "no-body", make(REQUEST | 7, "") },
        { "unknown-type", with(get, 10, 0x00c0) },
        { "unknown-code", make(REQUEST | 7, "1", 99u) },
        { "longest", make(REQUEST | 7, "1b", 99u, big, sizeof big) },
        { "unasked-answer", make(0x7001, "12", OK, 1u) },
        { "unasked-set-reply", make(0, "112", OP_SET_REPLY, OK, 0x7001u) },
        { "unsolicited-get", make(0, "142", OP_GET, 65008u, 7u) },
        { "unknown-transaction",
          make(REQUEST | 7, "122422b", OP_SET, 0x7001u, 1u, 51616u, 1u, 0u, "\x01", (size_t)1) },
        { "set-too-big",
          make(REQUEST | 7, "122422b", OP_SET, 0u, 1u, 51616u, 65535u, 0u, "\x01", (size_t)1) },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(name, all[i].name) == 0) {
            give_message(owner, all[i].message);
            return true;
        }
    return false;
}

/* ---- commands ---- */

static bool begin_burst(uint32_t attribute, unsigned count, int64_t rate)
{
    memset(&burst, 0, sizeof burst);
    burst.runs = true;
    burst.attribute = attribute;
    burst.count = count;
    burst.rate = rate;
    burst.began = now_us();
    burst.give_up = burst.began + 5000000;
    own_answers = own_values = 0;
    return find_owner() != NULL;
}

int64_t control_tick(int64_t now)
{
    if (!burst.runs || mis.hangs)
        return INT64_MAX;
    int64_t due = burst.rate == 0 ? burst.count : (now - burst.began) * burst.rate / 1000000 + 1;
    while (burst.asked < burst.count && burst.asked < due && burst.asked - own_answers < LAST_ID - 1 &&
           ask_owner(burst.attribute))
        burst.asked++;
    if (own_answers != burst.last_answers)
        burst.give_up = now + 5000000;
    burst.last_answers = own_answers;
    if (own_answers == burst.count || now > burst.give_up) {
        say("answers %u of %u values %u in %lld us", own_answers, burst.count, own_values,
            (long long)(now - burst.began));
        burst.runs = false;
        return INT64_MAX;
    }
    return now + 1000;
}

static bool command_modes(const char *what, const char *how, unsigned number)
{
    if (strcmp(what, "open") == 0) {
        mis.open_silent = strcmp(how, "silent") == 0;
        mis.open_status = strcmp(how, "refuse") == 0 ? number : OK;
        return mis.open_silent || mis.open_status != OK || strcmp(how, "answer") == 0;
    }
    if (strcmp(what, "gets") == 0) {
        mis.silent_gets = strcmp(how, "silent") == 0;
        return mis.silent_gets || strcmp(how, "answer") == 0;
    }
    if (strcmp(what, "sets") != 0)
        return false;
    mis.sets = strcmp(how, "half") == 0     ? SETS_HALF
               : strcmp(how, "silent") == 0 ? SETS_SILENT
                                            : SETS_ANSWERED;
    mis.set_status = strcmp(how, "refuse") == 0 ? number : OK;
    mis.piece_status = strcmp(how, "refuse-piece") == 0 ? number : OK;
    mis.set_delay = strcmp(how, "delay") == 0 ? number * INT64_C(1000) : 0;
    return mis.sets != SETS_ANSWERED || strcmp(how, "answer") == 0 || number > 0;
}

static bool command_owner(const char *what, char *argument, const char *value)
{
    static uint8_t bytes[PIECE_MAX];
    uint32_t id = (uint32_t)strtoul(argument, NULL, 10);
    int size = from_hex(value, bytes, sizeof bytes);
    client *owner = find_owner();
    if (strcmp(what, "notify") == 0 && size >= 0) {
        notify(id, bytes, (size_t)size);
        return true;
    }
    if (owner == NULL)
        return false;
    if (strcmp(what, "set") == 0 && size >= 0)
        return set_owner(id, bytes, (size_t)size);
    if (strcmp(what, "get") == 0)
        return begin_burst(id, value[0] == '\0' ? 1 : (unsigned)strtoul(value, NULL, 10), 0);
    if (strcmp(what, "nonsense") == 0)
        return give_nonsense(owner, argument);
    if (strcmp(what, "close") == 0) {
        drop(owner, "told to");
        return true;
    }
    size = from_hex(argument, bytes, sizeof bytes);
    if (strcmp(what, "raw") == 0 && size > 0) {
        give(owner, bytes, (size_t)size);
        return true;
    }
    return false;
}

void control_command(char *line)
{
    char what[32] = "", argument[8192] = "", value[8192] = "", third[32] = "";
    if (sscanf(line, "%31s %8191s %8191s %31s", what, argument, value, third) < 1)
        return;
    say("told %s", line);
    long number = strtol(argument, NULL, 10);
    if (strcmp(what, "quit") == 0) {
        stop_listening();
        exit(0);
    } else if (strcmp(what, "hang") == 0 || strcmp(what, "resume") == 0) {
        mis.hangs = what[0] == 'h';
    } else if (strcmp(what, "leave") == 0) {
        stop_listening();
    } else if (strcmp(what, "return") == 0) {
        start_listening();
    } else if (strcmp(what, "close-after") == 0) {
        mis.bytes_left = number;
    } else if (strcmp(what, "chunk") == 0) {
        mis.chunk = (size_t)number;
    } else if (strcmp(what, "pieces") == 0 && number > 0 && number <= PIECE_MAX) {
        mis.piece = (size_t)number;
    } else if (strcmp(what, "storm") == 0) {
        long rate = strtol(value, NULL, 10);
        begin_burst((uint32_t)number, (unsigned)(rate * strtol(third, NULL, 10) / 1000), rate);
    } else if (!command_modes(what, argument, (unsigned)strtoul(value, NULL, 10)) &&
               !command_owner(what, argument, value)) {
        say("not understood: %s", line);
    }
}
