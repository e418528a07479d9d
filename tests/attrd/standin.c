/*
 * A stand-in for attrd, written from the protocol's page: it accepts owners and listeners, passes gets and
 * sets on to the owner and their replies back, notifies the listeners, and reads as attrd does, at most 4,096
 * bytes at a time, throwing away what such a read cuts. As attrd does, it dies of SIGPIPE when it writes to
 * an owner that has closed. It knows the attributes of connmgr.
 *
 *     standin [-s SOCKET] [-c FIFO] [-o OWNER] [COMMAND...]
 *
 * Commands (each one argument, or one line in the FIFO) are listed in misbehave.c. What happens is written to
 * standard output, one line each, beginning with the time in microseconds of the monotonic clock.
 */
#define _GNU_SOURCE
#include "standin.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

client clients[CLIENTS];
const char *owner_name = "IPC.CONNMGR";
static const char *path = "/var/run/IPC.ATTRD";
static int listening = -1;
static unsigned last_client;

void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("%lld ", (long long)now_us());
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

client *find_client(unsigned id)
{
    for (client *c = clients; c < clients + CLIENTS; c++)
        if (c->fd >= 0 && c->id == id)
            return c;
    return NULL;
}

client *find_named(const char *name)
{
    for (client *c = clients; c < clients + CLIENTS; c++)
        if (c->fd >= 0 && strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

client *find_owner(void)
{
    return find_named(owner_name);
}

void drop(client *c, const char *why)
{
    say("closed %s: %s", c->name[0] != '\0' ? c->name : "?", why);
    close(c->fd);
    free(c->out);
    memset(c, 0, sizeof *c);
    c->fd = -1;
}

static void write_out(client *c)
{
    bool is_owner = strcmp(c->name, owner_name) == 0;
    while (c->fd >= 0 && c->out_size > 0) {
        size_t most = c->out_size;
        if (is_owner && mis.chunk > 0 && most > mis.chunk)
            most = mis.chunk;
        if (is_owner && mis.bytes_left >= 0 && most > (size_t)mis.bytes_left)
            most = (size_t)mis.bytes_left;
        int flags = MSG_DONTWAIT | (is_owner ? 0 : MSG_NOSIGNAL);
        ssize_t count = most == 0 ? 0 : send(c->fd, c->out, most, flags);
        if (count < 0) {
            if (errno != EAGAIN)
                drop(c, strerror(errno));
            return;
        }
        c->out_size -= (size_t)count;
        memmove(c->out, c->out + count, c->out_size);
        if (is_owner && mis.bytes_left >= 0 && (mis.bytes_left -= count) == 0) {
            mis.bytes_left = -1;
            drop(c, "told to, after so many bytes");
        }
    }
}

void give(client *c, const void *bytes, size_t size)
{
    if (c->fd < 0)
        return; /* the previous message made us drop it */
    if (c->out_size + size > OUT_ROOM) {
        drop(c, "it does not read");
        return;
    }
    memcpy(c->out + c->out_size, bytes, size);
    c->out_size += size;
    if (!mis.hangs)
        write_out(c);
}

void give_message(client *c, message m)
{
    give(c, m.bytes, m.size);
}

static void on_readable(client *c)
{
    uint8_t bytes[MESSAGE_MAX];
    unsigned id = c->id;
    ssize_t count = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (count == 0 || (count < 0 && errno != EAGAIN)) {
        drop(c, count == 0 ? "it closed" : strerror(errno));
        return;
    }
    for (ssize_t at = 0, size; at < count; at += size) {
        size = message_size(bytes + at, (size_t)(count - at));
        if (size <= 0) {
            say("cut %s: %zd bytes thrown away", c->name, count - at);
            return;
        }
        on_message(c, bytes + at);
        if (c->fd < 0 || c->id != id)
            return;
    }
}

/* ---- the daemon ---- */

bool start_listening(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    listening = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(listening, (struct sockaddr *)&address, sizeof address) != 0 || listen(listening, 16) != 0)
        return false;
    say("listening");
    return true;
}

void stop_listening(void)
{
    close(listening);
    unlink(path);
    listening = -1;
    for (client *c = clients; c < clients + CLIENTS; c++)
        if (c->fd >= 0)
            drop(c, "told to leave");
    forget_requests();
    say("gone");
}

static void accept_one(void)
{
    int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    for (client *c = clients; fd >= 0 && c < clients + CLIENTS; c++)
        if (c->fd < 0) {
            last_client = last_client % 32767 + 1;
            *c = (client){ .fd = fd, .id = last_client, .out = malloc(OUT_ROOM) };
            return;
        }
    if (fd >= 0)
        close(fd);
}

static void wait_and_serve(int control)
{
    struct pollfd fds[CLIENTS + 2];
    int64_t now = now_us();
    int64_t due = control_tick(now);
    int64_t own = mis.hangs ? INT64_MAX : requests_tick(now);
    due = due < own ? due : own;
    fds[0] = (struct pollfd){ .fd = control, .events = POLLIN };
    fds[1] = (struct pollfd){ .fd = mis.hangs ? -1 : listening, .events = POLLIN };
    for (unsigned i = 0; i < CLIENTS; i++)
        fds[2 + i] = (struct pollfd){ .fd = mis.hangs ? -1 : clients[i].fd,
                                      .events = (short)(POLLIN | (clients[i].out_size > 0 ? POLLOUT : 0)) };

    int64_t wait = due == INT64_MAX ? 1000000 : due > now ? due - now : 0;
    struct timespec timeout = { wait / 1000000, wait % 1000000 * 1000 };
    if (ppoll(fds, CLIENTS + 2, &timeout, NULL) <= 0)
        return;
    for (unsigned i = 0; i < CLIENTS; i++) {
        client *c = &clients[i];
        if (c->fd < 0 || c->fd != fds[2 + i].fd)
            continue;
        if ((fds[2 + i].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
            on_readable(c);
        if (c->fd >= 0 && (fds[2 + i].revents & POLLOUT) != 0)
            write_out(c);
    }
    if (fds[1].revents != 0)
        accept_one();
    if (fds[0].revents != 0)
        control_read(control);
}

int main(int argc, char **argv)
{
    int control = -1;
    signal(SIGPIPE, SIG_DFL); /* even if our parent ignores it */
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (client *c = clients; c < clients + CLIENTS; c++)
        c->fd = -1;
    for (int option; (option = getopt(argc, argv, "s:c:o:")) != -1;) {
        if (option == 's')
            path = optarg;
        else if (option == 'o')
            owner_name = optarg;
        else if (option != 'c' || (control = control_open(optarg)) < 0)
            return 64;
    }
    if (!start_listening()) {
        perror(path);
        return 71;
    }
    while (optind < argc)
        control_command(argv[optind++]);
    for (;;)
        wait_and_serve(control);
}
