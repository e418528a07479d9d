#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

rig r;
int failed_checks;
static int passed, failed;

void rig_start(const uint32_t *ranges, int32_t range_count)
{
    rig_start_as("IPC.CONNMGR", ranges, range_count);
}

void rig_start_as(const char *name, const uint32_t *ranges, int32_t range_count)
{
    seam_reset();
    memset(&r, 0, offsetof(rig, seen));
    r.now = 1234567 * SECOND;
    r.shim = attrd_create("/a/socket", name, ranges, range_count, r.now);
    if (r.shim == NULL)
        abort();
    attrd_get_watch(r.shim, &r.watch);
}

void rig_stop(void)
{
    attrd_destroy(r.shim);
    if (seam.fd != -1 || seam.has_barrier)
        abort();
}

static void take_events(void)
{
    attrd_event event;
    while (attrd_next_event(r.shim, r.now, &event) != 0) {
        if (r.on_event != NULL) {
            r.on_event(&event);
            continue;
        }
        seen *next = &r.seen[r.seen_count++];
        if (r.seen_count > sizeof r.seen / sizeof r.seen[0])
            abort();
        next->event = event;
        if (event.length > 0)
            memcpy(next->value, event.value, (size_t)event.length);
    }
}

static bool is_ready(void)
{
    bool readable = seam.to_shim_taken < seam.to_shim_size || seam.ended || seam.failure != 0;
    attrd_get_watch(r.shim, &r.watch);
    if ((r.watch.fd >= 0) != (r.watch.state != ATTRD_STATE_WAITING) || r.watch.fd != seam.fd ||
        (r.watch.fd >= 0) != seam.has_barrier)
        abort();
    if (r.watch.deadline_ns <= r.now)
        return true;
    if (r.watch.fd < 0)
        return false;
    return ((r.watch.events & ATTRD_READABLE) != 0 && readable) ||
           ((r.watch.events & ATTRD_WRITABLE) != 0 && seam.send_room > 0);
}

void rig_run(void)
{
    for (int rounds = 0; is_ready(); rounds++) {
        if (rounds == 100000)
            abort(); /* the shim spins */
        attrd_process(r.shim, r.now);
        take_events();
    }
}

void rig_pass(uint64_t time)
{
    uint64_t end = r.now + time;
    rig_run();
    while (r.watch.deadline_ns <= end) {
        r.now = r.watch.deadline_ns;
        rig_run();
    }
    r.now = end;
    rig_run();
}

void rig_forget(void)
{
    r.seen_count = 0;
}

bool rig_saw(int32_t type, uint32_t attribute, int32_t status)
{
    attrd_event *event = &r.seen[0].event;
    bool saw = r.seen_count == 1 && event->type == type && event->attribute == attribute &&
               event->status == status;
    if (!saw && r.seen_count > 0)
        printf("# %u events, the first: type %d attribute %u status %d\n", r.seen_count, event->type,
               event->attribute, event->status);
    rig_forget();
    return saw;
}

/* Start counting bytes anew for each connection. */
static void follow_connection(void)
{
    if (r.connects != seam.connects)
        r.read = 0;
    r.connects = seam.connects;
}

const uint8_t *rig_sent(void)
{
    follow_connection();
    const uint8_t *message = seam.from_shim + r.read;
    int size = message_size(message, seam.from_shim_size - r.read);
    if (size <= 0)
        return NULL;
    r.read += (uint32_t)size;
    return message;
}

bool rig_is_silent(void)
{
    follow_connection();
    return r.read == seam.from_shim_size;
}

bool rig_sent_is(message expected)
{
    const uint8_t *sent = rig_sent();
    return sent != NULL && message_size(sent, MESSAGE_MAX) == (int)expected.size &&
           memcmp(sent, expected.bytes, expected.size) == 0;
}

void rig_give(message m)
{
    seam_give(m.bytes, (uint32_t)m.size);
}

void rig_open(void)
{
    rig_start(NULL, 0);
    rig_run();
    if (!rig_sent_is(make(REQUEST | 1, "1b2", OP_OPEN, "IPC.CONNMGR", (size_t)11, 0u)))
        abort();
    rig_give(make(0x00010001, "1", OK));
    rig_run();
    if (!rig_saw(ATTRD_EVENT_OPEN, 0, 0))
        abort();
}

bool rig_sent_set(uint32_t attribute, const void *value, size_t size, uint32_t *sequence,
                  uint32_t *operation)
{
    parameter p[8];
    const uint8_t *sent = rig_sent();
    if (sent == NULL || !message_is(sent, "122422b", p))
        return false;
    *sequence = message_sequence(sent);
    *operation = p[2].number;
    return *sequence > REQUEST && *sequence <= 0xffff && p[0].number == OP_SET && p[1].number == 0 &&
           *operation != 0 && p[3].number == attribute && p[4].number == size && p[5].number == 0 &&
           p[6].number == size && memcmp(p[6].blob, value, size) == 0;
}

bool rig_confirm(uint32_t attribute, unsigned value)
{
    uint8_t byte = (uint8_t)value;
    uint32_t sequence, operation;
    if (!rig_sent_set(attribute, &byte, 1, &sequence, &operation))
        return false;
    rig_give(make(sequence & ~REQUEST, "12", OK, 7u));
    rig_give(make(0, "112", OP_SET_REPLY, OK, operation));
    rig_run();
    return true;
}

int32_t rig_publish(uint32_t attribute, unsigned value)
{
    uint8_t byte = (uint8_t)value;
    return attrd_publish(r.shim, attribute, &byte, 1, r.now);
}

void rig_not_ok(const char *condition, const char *file, int line)
{
    printf("# %s:%d: %s\n", file, line, condition);
    failed_checks++;
}

void rig_test(const char *name, void (*test)(void))
{
    failed_checks = 0;
    test();
    printf("%s - %s\n", failed_checks == 0 ? "ok" : "not ok", name);
    fflush(stdout);
    if (failed_checks == 0)
        passed++;
    else
        failed++;
}

int rig_end(void)
{
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
