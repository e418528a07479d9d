/* Bytes that arrive and leave in any portions, and an attrd that asks faster than it reads. */
#include <stdlib.h>
#include <string.h>

#include "rig.h"

static uint8_t value[ATTRD_MAX_SENT];
static uint32_t answered;
static int32_t answer_size;

static message get(unsigned id, uint32_t attribute, unsigned operation)
{
    return make(REQUEST | id, "142", OP_GET, attribute, operation);
}

static void answer_at_once(const attrd_event *event)
{
    if (event->type == ATTRD_EVENT_GET) {
        memcpy(value, &event->attribute, 4);
        if (attrd_answer(r.shim, event->token, 0, value, answer_size) != ATTRD_OK)
            abort(); /* the header promises room */
        answered++;
    } else if (event->type == ATTRD_EVENT_SET) {
        uint8_t sum = 0;
        for (int32_t i = 0; i < event->length; i++)
            sum = (uint8_t)(sum + event->value[i]);
        if (attrd_answer(r.shim, event->token, sum, NULL, 0) != ATTRD_OK)
            abort();
        answered++;
    } else if (event->type == ATTRD_EVENT_CLOSED) {
        abort();
    }
}

/* A conversation with all kinds of messages and a set of the maximum size. Returns what the shim sent. */
static uint32_t converse(uint32_t recv_most, uint32_t send_most, uint32_t room, uint8_t *sent)
{
    static uint8_t bytes[PIECE_MAX];
    rig_start(NULL, 0);
    r.on_event = answer_at_once;
    answered = 0;
    seam.recv_most = recv_most;
    seam.send_most = send_most;
    seam.send_room = room;
    rig_publish(65008, 1);
    rig_publish(65024, 2);
    attrd_process(r.shim, r.now);
    rig_give(make(1, "1", OK));
    rig_give(get(1, 65022, 5));
    rig_give(make(2, "12", OK, 900u));
    rig_give(make_transfer(REQUEST | 2, OP_SET, 6, 51616, "\x03", 1));
    rig_give(make(0, "112", OP_SET_REPLY, OK, 1u));
    rig_give(make(REQUEST | 3, "122422b", OP_SET, 0u, 7u, 51616u, 5u, 0u, "\x01\x02", (size_t)2));
    rig_give(make(REQUEST | 4, "1", 77u));
    rig_give(make(REQUEST | 5, "122422b", OP_SET, 2u, 7u, 51616u, 5u, 2u, "\x03\x04\x05", (size_t)3));
    rig_give(make(3, "12", OK, 901u));
    rig_give(make_transfer(REQUEST | 6, OP_SET, 8, 51616, bytes, sizeof bytes));
    rig_give(make(0, "112", OP_SET_REPLY, OK, 2u));
    rig_give(get(7, 65022, 9));
    rig_run();
    while (room != UINT32_MAX && seam.from_shim_size < 100000 && (r.watch.events & ATTRD_WRITABLE) != 0) {
        seam.send_room += room;
        rig_run();
    }
    CHECK(answered == 5);
    CHECK(r.watch.events == ATTRD_READABLE && r.watch.deadline_ns == ATTRD_NO_DEADLINE);
    memcpy(sent, seam.from_shim, seam.from_shim_size);
    uint32_t size = seam.from_shim_size;
    rig_stop();
    return size;
}

static void any_portions_make_the_same_conversation(void)
{
    static uint8_t whole[SEAM_ROOM], portions[SEAM_ROOM];
    static const uint32_t most[] = { 1, 2, 3, 5, 7, 8, 9, 13, 23, 37, 100, 1000, 4095, UINT32_MAX };
    const uint32_t count = sizeof most / sizeof most[0];
    answer_size = 300;
    uint32_t size = converse(UINT32_MAX, UINT32_MAX, UINT32_MAX, whole);
    CHECK(seam.sends == 13); /* one for each message */
    for (uint32_t a = 0; a < count; a++)
        for (uint32_t b = 0; b < count; b++)
            for (uint32_t c = 0; c < count; c++) {
                uint32_t other = converse(most[a], most[b], most[c], portions);
                CHECK(other == size && memcmp(portions, whole, size) == 0);
            }
}

/* Takes the answers that the shim has sent, which must be the expected ones. An incomplete one stays for
   later. */
static uint32_t take_answers(uint32_t expected)
{
    parameter p[8];
    for (const uint8_t *sent; (sent = rig_sent()) != NULL; expected++) {
        CHECK(message_sequence(sent) == expected && message_is(sent, "12b", p));
        CHECK((int32_t)p[2].number == answer_size && memcmp(p[2].blob, &expected, 4) == 0);
    }
    seam.from_shim_size -= r.read;
    memmove(seam.from_shim, seam.from_shim + r.read, seam.from_shim_size);
    r.read = 0;
    return expected;
}

static void gets_that_come_faster_than_answers_go_are_all_answered(void)
{
    static const int32_t sizes[] = { 4, 100, ATTRD_MAX_SENT };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint32_t gets = 3000, expected = 1;
        rig_open();
        answered = 0;
        answer_size = sizes[i];
        r.on_event = answer_at_once;
        seam.send_room = 0;
        for (uint32_t id = 1; id <= gets; id++)
            rig_give(get(id, id, id));
        rig_run();
        CHECK(answered > 0 && answered < 500);
        CHECK(seam.to_shim_taken < 4096 + (answered + 1) * 23); /* the rest stays with attrd */
        CHECK(r.watch.events == ATTRD_WRITABLE && r.watch.deadline_ns == ATTRD_NO_DEADLINE);

        for (uint32_t before = 0; before < expected && failed_checks == 0;) {
            before = expected;
            seam.send_room = 19999;
            rig_run();
            expected = take_answers(expected);
        }
        CHECK(answered == gets && expected == gets + 1 && rig_is_silent());
        CHECK(r.watch.events == ATTRD_READABLE);
        rig_stop();
    }
}

static void messages_that_waited_go_out_one_by_one(void)
{
    rig_open();
    for (unsigned id = 1; id <= 3; id++)
        rig_give(get(id, 65008, id));
    seam.send_room = 0;
    rig_run();
    for (unsigned id = 1; id <= 3; id++)
        CHECK(attrd_answer(r.shim, r.seen[id - 1].event.token, 0, value, (int32_t)id) == ATTRD_OK);
    seam.send_room = UINT32_MAX;
    seam.sends = 0;
    rig_run();
    CHECK(seam.sends == 3);
    for (unsigned id = 1; id <= 3; id++)
        CHECK(rig_sent_is(make(id, "12b", OK, 0u, value, (size_t)id)));
    rig_stop();
}

static void an_answer_given_late_may_have_to_wait(void)
{
    rig_open();
    for (unsigned id = 1; id <= 4; id++)
        rig_give(get(id, 65008, id));
    rig_run();
    CHECK(r.seen_count == 4);
    seam.send_room = 0;
    CHECK(attrd_answer(r.shim, r.seen[0].event.token, 0, value, ATTRD_MAX_SENT) == ATTRD_OK);
    CHECK(attrd_answer(r.shim, r.seen[1].event.token, 0, value, ATTRD_MAX_SENT) == ATTRD_OK);
    CHECK(attrd_answer(r.shim, r.seen[2].event.token, 0, value, ATTRD_MAX_SENT) == ATTRD_E_AGAIN);
    CHECK(attrd_answer(r.shim, r.seen[2].event.token, 0, value, 1) == ATTRD_OK);

    /* There is no room for another long answer, so no further get is handed out. */
    rig_give(get(5, 65008, 5));
    rig_run();
    CHECK(r.seen_count == 4 && (r.watch.events & ATTRD_WRITABLE) != 0);

    /* This answer is sent together with all the others, so nothing is left to wait for: the get is due at
       once. */
    seam.send_room = UINT32_MAX;
    CHECK(attrd_answer(r.shim, r.seen[3].event.token, 0, value, 1) == ATTRD_OK);
    attrd_get_watch(r.shim, &r.watch);
    CHECK((r.watch.events & ATTRD_WRITABLE) == 0 && r.watch.deadline_ns <= r.now);
    rig_run();
    CHECK(r.seen_count == 5 && r.seen[4].event.type == ATTRD_EVENT_GET);
    rig_stop();
}

static void publish_and_answer(const attrd_event *event)
{
    static uint8_t longest[ATTRD_MAX_PUBLISHED_SIZE];
    longest[0]++;
    CHECK(attrd_publish(r.shim, 65024, longest, sizeof longest, r.now) == ATTRD_OK);
    answer_at_once(event);
}

/* However little room is free, the next answer fits, even if a value is published before it. */
static void publishing_leaves_room_for_answers(void)
{
    for (int32_t waiting = 0; waiting <= ATTRD_MAX_SENT; waiting++) {
        rig_open();
        for (unsigned id = 1; id <= 3; id++)
            rig_give(get(id, 65008, id));
        rig_run();
        seam.send_room = 0;
        CHECK(attrd_answer(r.shim, r.seen[0].event.token, 0, value, waiting) == ATTRD_OK);
        rig_forget();
        answered = 0;
        answer_size = ATTRD_MAX_SENT;
        r.on_event = publish_and_answer;
        rig_give(get(4, 65008, 4));
        rig_run();
        r.on_event = answer_at_once;
        seam.send_room = UINT32_MAX;
        rig_run();
        CHECK(answered == 1);
        rig_stop();
    }
}

/* A value that is published while almost no room is free waits; nothing else does. */
static void publishing_waits_for_room(void)
{
    for (int32_t late = ATTRD_MAX_SENT - 200; late <= ATTRD_MAX_SENT; late++) {
        uint8_t longest[ATTRD_MAX_PUBLISHED_SIZE] = { 1 };
        uint32_t sequence = 0, operation;
        rig_open();
        for (unsigned id = 1; id <= 3; id++)
            rig_give(get(id, 65008, id));
        rig_run();
        seam.send_room = 0;
        CHECK(attrd_answer(r.shim, r.seen[0].event.token, 0, value, ATTRD_MAX_SENT) == ATTRD_OK);
        CHECK(attrd_answer(r.shim, r.seen[1].event.token, 0, value, late) == ATTRD_OK);
        CHECK(attrd_answer(r.shim, r.seen[2].event.token, 0, value, 400) == ATTRD_OK);
        CHECK(attrd_publish(r.shim, 65024, longest, sizeof longest, r.now) == ATTRD_OK);
        rig_run();
        seam.send_room = UINT32_MAX;
        rig_run();
        while (!rig_sent_set(65024, longest, sizeof longest, &sequence, &operation) && !rig_is_silent())
            continue;
        CHECK(sequence == (REQUEST | 2) && rig_is_silent());
        rig_stop();
    }
}

int main(void)
{
    rig_test("any portions make the same conversation", any_portions_make_the_same_conversation);
    rig_test("gets that come faster than answers go are all answered",
             gets_that_come_faster_than_answers_go_are_all_answered);
    rig_test("messages that waited go out one by one", messages_that_waited_go_out_one_by_one);
    rig_test("an answer given late may have to wait", an_answer_given_late_may_have_to_wait);
    rig_test("publishing leaves room for answers", publishing_leaves_room_for_answers);
    rig_test("publishing waits for room", publishing_waits_for_room);
    return rig_end();
}
