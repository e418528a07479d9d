/*
 * An owner of attributes: the smallest program around the shim, with the loop that attrd_shim.h describes.
 *
 *     owner [-s SOCKET] [-n NAME] [-l FIRST-LAST]
 *
 * Reads commands from standard input: `publish ID HEX` (a get then gives that value too), `value ID HEX` (for
 * gets alone), `late ID` (gets of ID are not answered before another is asked for), `set ID STATUS` (how sets
 * of ID by others are answered; without it they are forbidden). Writes what happens, each line beginning with
 * the time in microseconds of the monotonic clock; `told N` for the Nth command.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "../../native/attrd_shim.h"

typedef struct {
    uint32_t id;
    int32_t size; /* size of the value, -1: none */
    uint8_t value[ATTRD_MAX_SENT];
    int set_status;
    int late;
    uint64_t late_token;
} attribute;

static attribute attributes[32];
static attrd_handle *shim;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static attribute *find(uint32_t id, int add)
{
    for (attribute *a = attributes; a < attributes + sizeof attributes / sizeof attributes[0]; a++) {
        if (a->id == id)
            return a;
        if (a->id == 0 && add) {
            *a = (attribute){ .id = id, .size = -1, .set_status = ATTRD_STATUS_FORBIDDEN };
            return a;
        }
    }
    return NULL;
}

static void on_get(const attrd_event *event)
{
    attribute *a = find(event->attribute, 0);
    int32_t result;
    if (a != NULL && a->late && a->late_token == 0) {
        a->late_token = event->token;
        return;
    }
    if (a == NULL || a->size < 0)
        result = attrd_answer(shim, event->token, ATTRD_STATUS_NOT_FOUND, NULL, 0);
    else
        result = attrd_answer(shim, event->token, ATTRD_STATUS_OK, a->value, a->size);
    if (a != NULL && a->late_token != 0) {
        result |= attrd_answer(shim, a->late_token, ATTRD_STATUS_OK, a->value, a->size);
        a->late_token = 0;
    }
    if (result != ATTRD_OK)
        printf("%llu failed answer %d\n", (unsigned long long)now_ns() / 1000, result);
}

static void on_event(const attrd_event *event)
{
    static const char *const names[] = { "", "open", "closed", "get", "set", "notify", "refused" };
    if (event->type == ATTRD_EVENT_GET) {
        on_get(event);
        return;
    }
    printf("%llu %s %u %d ", (unsigned long long)now_ns() / 1000, names[event->type], event->attribute,
           event->status);
    for (int32_t i = 0; i < event->length; i++)
        printf("%02x", event->value[i]);
    putchar('\n');
    if (event->type == ATTRD_EVENT_SET) {
        attribute *a = find(event->attribute, 0);
        int status = a == NULL ? ATTRD_STATUS_NOT_FOUND : a->set_status;
        if (status == ATTRD_STATUS_OK && event->length <= ATTRD_MAX_SENT) {
            a->size = event->length;
            memcpy(a->value, event->value, (size_t)a->size);
        }
        attrd_answer(shim, event->token, status, NULL, 0);
    }
}

static void on_command(const char *line)
{
    static unsigned count;
    printf("%llu told %u\n", (unsigned long long)now_ns() / 1000, ++count);
    char what[16], argument[2 * ATTRD_MAX_SENT + 1] = "";
    uint32_t id;
    if (sscanf(line, "%15s %u %7936s", what, &id, argument) < 2)
        return;
    attribute *a = find(id, 1);
    if (a == NULL)
        return;
    if (strcmp(what, "set") == 0) {
        a->set_status = atoi(argument);
    } else if (strcmp(what, "late") == 0) {
        a->late = 1;
    } else {
        a->size = (int32_t)strlen(argument) / 2;
        for (int32_t i = 0; i < a->size; i++) {
            unsigned byte;
            sscanf(argument + 2 * i, "%2x", &byte);
            a->value[i] = (uint8_t)byte;
        }
        if (strcmp(what, "publish") == 0)
            attrd_publish(shim, id, a->value, a->size, now_ns());
    }
}

static void read_commands(void)
{
    static char buffer[65536];
    static size_t size;
    ssize_t count = read(STDIN_FILENO, buffer + size, sizeof buffer - 1 - size);
    if (count <= 0)
        exit(0);
    size += (size_t)count;
    buffer[size] = '\0';
    for (char *end; (end = strchr(buffer, '\n')) != NULL;) {
        *end = '\0';
        on_command(buffer);
        size -= (size_t)(end + 1 - buffer);
        memmove(buffer, end + 1, size + 1);
    }
}

/* Lets epoll and the timer wait for what the shim waits for. */
static void watch(int epoll, int timer)
{
    static attrd_watch known = { .fd = -1 };
    attrd_watch now;
    attrd_get_watch(shim, &now);
    struct epoll_event event = { .events = now.events, .data.fd = now.fd };
    if (now.generation != known.generation) {
        if (now.fd >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, now.fd, &event) != 0)
            abort();
    } else if (now.events != known.events && epoll_ctl(epoll, EPOLL_CTL_MOD, now.fd, &event) != 0) {
        abort();
    }
    if (now.deadline_ns != known.deadline_ns) {
        struct itimerspec at = { .it_value = { 0, 0 } };
        if (now.deadline_ns != ATTRD_NO_DEADLINE) {
            at.it_value.tv_sec = (time_t)(now.deadline_ns / 1000000000);
            at.it_value.tv_nsec = (long)(now.deadline_ns % 1000000000);
        }
        timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
    }
    known = now;
}

int main(int argc, char **argv)
{
    const char *path = "/var/run/IPC.ATTRD", *name = "IPC.CONNMGR";
    uint32_t range[2];
    int32_t ranges = 0;
    for (int option; (option = getopt(argc, argv, "s:n:l:")) != -1;) {
        if (option == 's')
            path = optarg;
        else if (option == 'n')
            name = optarg;
        else if (option == 'l' && sscanf(optarg, "%u-%u", &range[0], &range[1]) == 2)
            ranges = 1;
        else
            return 64;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct epoll_event in = { .events = EPOLLIN, .data.fd = STDIN_FILENO };
    struct epoll_event tick = { .events = EPOLLIN, .data.fd = timer };
    shim = attrd_create(path, name, range, ranges, now_ns());
    if (shim == NULL || epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &in) != 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &tick) != 0)
        return 71;

    for (;;) {
        struct epoll_event events[4];
        watch(epoll, timer);
        int count = epoll_wait(epoll, events, 4, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == STDIN_FILENO) {
                read_commands();
                continue;
            }
            if (events[i].data.fd == timer) {
                uint64_t expirations;
                if (read(timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
                    return 71;
            }
            attrd_event event;
            attrd_process(shim, now_ns());
            while (attrd_next_event(shim, now_ns(), &event) != 0)
                on_event(&event);
        }
    }
}
