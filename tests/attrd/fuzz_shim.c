/*
 * Drives the shim by the fuzzer's bytes: what attrd sends and when, in which portions bytes come and go, what
 * fails, how time passes, what the caller does. Looks after every step at what must always be so, and at the
 * end lets attrd be well again: then the shim must connect, tell every latest value and answer a get,
 * whatever went before.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../native/attrd_shim.h"
#define SEAM_ITSELF
#include "seam.h"
#include "wire.h"

#define SECOND UINT64_C(1000000000)
#define ATTRIBUTES (ATTRD_MAX_PUBLISHED + 2)

static const uint8_t *input;
static size_t input_size;

static attrd_handle *shim;
static uint64_t now;
static uint64_t tokens[8];
static unsigned token_count;

/* The last published values, and the last ones that attrd has received on this connection. */
static struct {
    bool published, heard;
    uint8_t size, heard_size;
    uint8_t value[ATTRD_MAX_PUBLISHED_SIZE], heard_value[ATTRD_MAX_PUBLISHED_SIZE];
} table[ATTRIBUTES];

/* The stream from the shim, as far as it was checked. */
static uint32_t connects, looked_at, request, operation;
static bool set_under_way;
static bool confused; /* attrd may have sent anything, even the end of a set */

#define REQUIRE(condition) ((condition) ? (void)0 : fail(#condition, __LINE__))
static void fail(const char *condition, int line)
{
    fprintf(stderr, "fuzz_shim.c:%d: %s\n", line, condition);
    abort();
}

static unsigned take(void)
{
    if (input_size == 0)
        return 0;
    input_size--;
    return *input++;
}

static unsigned take_two(void)
{
    unsigned high = take();
    return high << 8 | take();
}

/* Every message of the shim is well-formed, and at most one of its requests is open. */
static void look_at_what_was_sent(void)
{
    if (connects != seam.connects) {
        connects = seam.connects;
        looked_at = request = operation = 0;
        set_under_way = confused = false;
        for (unsigned i = 0; i < ATTRIBUTES; i++)
            table[i].heard = false;
    }
    for (int size; (size = message_size(seam.from_shim + looked_at, seam.from_shim_size - looked_at)) != 0;) {
        const uint8_t *m = seam.from_shim + looked_at;
        uint32_t sequence = message_sequence(m);
        parameter p[8];
        REQUIRE(size > 0 && m[6] == 0 && m[7] == 0 && sequence <= 0xffff);
        if (looked_at == 0) {
            REQUIRE(sequence == (REQUEST | 1) && message_is(m, "1b2", p));
            request = 1;
        } else if (sequence >= REQUEST) {
            REQUIRE(message_is(m, "122422b", p) && p[0].number == OP_SET);
            REQUIRE(p[1].number == 0 && p[2].number != 0);
            REQUIRE(p[3].number < ATTRIBUTES && p[4].number == p[6].number && p[5].number == 0);
            REQUIRE(!set_under_way || confused);
            unsigned i = p[3].number;
            REQUIRE(table[i].published && p[6].number <= ATTRD_MAX_PUBLISHED_SIZE);
            table[i].heard = true;
            table[i].heard_size = (uint8_t)p[6].number;
            memcpy(table[i].heard_value, p[6].blob, p[6].number);
            set_under_way = true;
            request = sequence & LAST_ID;
            operation = p[2].number;
        } else {
            REQUIRE(message_is(m, "12", p) || message_is(m, "12b", p) || message_is(m, "112", p));
        }
        looked_at += (uint32_t)size;
    }
    if (looked_at > SEAM_ROOM / 2 && looked_at == seam.from_shim_size)
        looked_at = seam.from_shim_size = 1; /* not 0, where the open is expected */
}

static attrd_watch look(void)
{
    attrd_watch watch;
    attrd_get_watch(shim, &watch);
    REQUIRE(watch.fd == seam.fd && (watch.fd >= 0) == (watch.state != ATTRD_STATE_WAITING));
    REQUIRE(watch.fd >= 0 || watch.events == 0);
    REQUIRE((watch.events & ~(ATTRD_READABLE | ATTRD_WRITABLE)) == 0);
    look_at_what_was_sent();
    return watch;
}

static void on_event(const attrd_event *event)
{
    unsigned sum = 0;
    REQUIRE(event->type >= ATTRD_EVENT_OPEN && event->type <= ATTRD_EVENT_REFUSED);
    REQUIRE(event->length >= 0 && event->length <= ATTRD_MAX_RECEIVED);
    for (int32_t i = 0; i < event->length; i++)
        sum += event->value[i];
    if (event->type == ATTRD_EVENT_GET || event->type == ATTRD_EVENT_SET)
        tokens[token_count++ % 8] = event->token + (sum & 0);
    if (event->type == ATTRD_EVENT_REFUSED)
        set_under_way = false;
}

static void process(void)
{
    attrd_event event;
    attrd_process(shim, now);
    for (unsigned i = 0; attrd_next_event(shim, now, &event) != 0; i++) {
        REQUIRE(i < 1000);
        on_event(&event);
        look_at_what_was_sent();
    }
    REQUIRE(look().deadline_ns > now); /* everything that was due is done */
}

static void give(message m)
{
    if (seam.to_shim_size - seam.to_shim_taken < SEAM_ROOM / 2)
        seam_give(m.bytes, (uint32_t)m.size);
    if (seam.to_shim_taken > SEAM_ROOM / 4) {
        seam.to_shim_size -= seam.to_shim_taken;
        memmove(seam.to_shim, seam.to_shim + seam.to_shim_taken, seam.to_shim_size);
        seam.to_shim_taken = 0;
    }
}

static void give_raw(void)
{
    message m = { .size = 0 };
    confused = true;
    for (size_t size = take() % 64; size > 0; size--)
        m.bytes[m.size++] = (uint8_t)take();
    give(m);
}

/* Mostly the messages that attrd would send. */
static void give_answer(void)
{
    unsigned status = take() % 8 == 7 ? take() : OK;
    give(make(request, "12", status, take()));
}

static void give_set_reply(void)
{
    unsigned status = take() % 8 == 7 ? take() : OK;
    give(make(0, "112", OP_SET_REPLY, status, operation));
    set_under_way = false;
}

static void give_piece(void)
{
    static const uint8_t bytes[PIECE_MAX] = { 1, 2, 3 };
    unsigned code = take() % 4 == 0 ? OP_NOTIFY : OP_SET, transaction = take() % 16, size = take_two() % 9000,
             position = take_two() % 9000, length = take_two() % (PIECE_MAX + 1), attribute = take() % 2;
    give(make(REQUEST | 4, "122422b", code, transaction, 5u, attribute, size, position, bytes,
              (size_t)length));
}

static void publish(void)
{
    unsigned i = take() % ATTRIBUTES;
    uint8_t size = (uint8_t)(take() % (ATTRD_MAX_PUBLISHED_SIZE + 1)), value[ATTRD_MAX_PUBLISHED_SIZE];
    memset(value, (int)take(), sizeof value);
    int32_t result = attrd_publish(shim, i, value, size, now);
    REQUIRE(result == ATTRD_OK || (result == ATTRD_E_FULL && !table[i].published));
    if (result == ATTRD_OK) {
        table[i].published = true;
        table[i].size = size;
        memcpy(table[i].value, value, size);
    }
}

static void answer(void)
{
    static const uint8_t value[ATTRD_MAX_SENT + 1];
    int32_t length = (int32_t)take_two() % (ATTRD_MAX_SENT + 2);
    int32_t status = take() % 4 == 0 ? (int32_t)take_two() - 9 : 0;
    attrd_answer(shim, tokens[take() % 8], status, value, length);
}

static void change_network(void)
{
    static const uint32_t mosts[] = { UINT32_MAX, 1, 2, 7, 8, 20, 100, 3000 };
    static const int failures[] = { 0, EINTR, EAGAIN, ECONNRESET, EPIPE, 0, 0, 0 };
    unsigned what = take(), how = take() % 8;
    switch (what % 6) {
    case 0: seam.recv_most = mosts[how]; break;
    case 1: seam.send_most = mosts[how]; break;
    case 2: seam.send_room = how == 0 ? UINT32_MAX : take_two() % 10000; break;
    case 3: seam.failure = seam.fd >= 0 ? failures[how] : 0; break;
    case 4: how == 7 ? (seam.lingers = !seam.lingers) : (seam.ended = seam.fd >= 0); break;
    case 5: seam.connect_error = how < 2 ? ENOENT : 0; break;
    }
}

static void wait_for_deadline(void)
{
    uint64_t deadline = look().deadline_ns;
    if (deadline != ATTRD_NO_DEADLINE && deadline > now)
        now = deadline;
}

static void step(void)
{
    static const uint64_t times[] = { 1, 1000000, 49000000, 60000000, SECOND, 2 * SECOND, 5 * SECOND,
                                      10 * SECOND };
    switch (take() % 12) {
    case 0: give_raw(); break;
    case 1: give_answer(); break;
    case 2: give_set_reply(); break;
    case 3: give(make(REQUEST | (take() & 3), "142", OP_GET, take(), take())); break;
    case 4: give_piece(); break;
    case 5: publish(); break;
    case 6: answer(); break;
    case 7: change_network(); break;
    case 8: now += times[take() % 8]; break;
    case 9: wait_for_deadline(); break;
    default: process(); break;
    }
    look();
}

/* From now on attrd works correctly. */
static void recover(void)
{
    seam.connect_error = seam.failure = 0;
    seam.lingers = false;
    seam.recv_most = seam.send_most = seam.send_room = UINT32_MAX;
    seam.ended = seam.fd >= 0; /* even with half a message on its way */
    for (unsigned i = 0; i < 1000 && seam.ended && seam.fd >= 0; i++)
        process();
    for (unsigned i = 0; i < 30 && seam.fd < 0; i++) {
        now += SECOND;
        process();
    }
    REQUIRE(seam.fd >= 0);
    REQUIRE(look().state == ATTRD_STATE_OPENING);
    give(make(1, "1", OK));
    process();
    REQUIRE(look().state == ATTRD_STATE_OPEN);

    unsigned published = 0, heard = 0;
    for (; set_under_way; heard++) {
        give(make(request, "12", OK, 1u));
        give(make(0, "112", OP_SET_REPLY, OK, operation));
        set_under_way = false;
        process();
    }
    for (unsigned i = 0; i < ATTRIBUTES; i++) {
        published += table[i].published;
        REQUIRE(table[i].published == table[i].heard);
        REQUIRE(!table[i].heard || (table[i].size == table[i].heard_size &&
                                    memcmp(table[i].value, table[i].heard_value, table[i].size) == 0));
    }
    REQUIRE(heard == published && seam.from_shim_size == looked_at);
    give(make(REQUEST | 9, "142", OP_GET, 1u, 1u));
    token_count = 0;
    process();
    REQUIRE(token_count == 1 && attrd_answer(shim, tokens[0], 0, NULL, 0) == ATTRD_OK);
    REQUIRE(seam.from_shim_size == looked_at + 19);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = data;
    input_size = size;
    now = SECOND;
    token_count = connects = looked_at = 0;
    set_under_way = confused = false;
    memset(tokens, 0, sizeof tokens);
    memset(table, 0, sizeof table);
    seam_reset();
    shim = attrd_create("/a/socket", "IPC.CONNMGR", NULL, 0, now);
    REQUIRE(shim != NULL);
    while (input_size > 0)
        step();
    recover();
    attrd_destroy(shim);
    REQUIRE(seam.fd == -1 && !seam.has_barrier);
    return 0;
}
