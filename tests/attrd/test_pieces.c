/* Values that arrive in pieces: assembled, and bounded in size, number and time. */
#include <string.h>

#include "rig.h"

static uint8_t value[ATTRD_MAX_RECEIVED + 1];

/* One piece of `value` as a set of 51616. */
static message piece(unsigned id, unsigned transaction, unsigned size, unsigned position, unsigned length)
{
    return make(REQUEST | id, "122422b", OP_SET, transaction, 88u, 51616u, size, position, value + position,
                (size_t)length);
}

/* Sends a message and expects the answer. */
static bool answered(message m, unsigned status, unsigned transaction)
{
    rig_give(m);
    rig_run();
    return rig_sent_is(make(m.sequence & LAST_ID, "12", status, transaction)) && rig_is_silent();
}

static void pieces_are_put_together(void)
{
    static const unsigned lengths[] = { 1, 2, 1000, PIECE_MAX };
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        unsigned size = ATTRD_MAX_RECEIVED, position = 0, length = lengths[i];
        if (length < 3)
            size = 300;
        rig_open();
        while (position + length < size) {
            CHECK(answered(piece(4, position == 0 ? 0 : 1, size, position, length), OK, 1));
            CHECK(r.seen_count == 0);
            position += length;
        }
        CHECK(answered(piece(5, 1, size, position, size - position), OK, 1));
        CHECK(r.seen_count == 1 && r.seen[0].event.length == (int32_t)size);
        CHECK(memcmp(r.seen[0].value, value, size) == 0);
        CHECK(attrd_answer(r.shim, r.seen[0].event.token, 0, NULL, 0) == ATTRD_OK);
        CHECK(rig_saw(ATTRD_EVENT_SET, 51616, 0));
        CHECK(rig_sent_is(make(0, "112", OP_SET_REPLY, OK, 88u)));
        CHECK(answered(piece(6, 1, size, position, 1), UNKNOWN_TRANSACTION, 0));
        rig_stop();
    }
}

static void two_values_at_a_time(void)
{
    rig_open();
    CHECK(answered(piece(1, 0, 10, 0, 5), OK, 1));
    CHECK(answered(make(REQUEST | 2, "122422b", OP_NOTIFY, 0u, 0u, 65008u, 4u, 0u, "no", (size_t)2), OK, 2));
    CHECK(answered(piece(3, 0, 10, 0, 5), TOO_MANY, 0));
    CHECK(answered(piece(4, 0, 5, 0, 5), OK, 4)); /* a whole value needs no buffer */
    CHECK(rig_saw(ATTRD_EVENT_SET, 51616, 0));
    CHECK(answered(make(REQUEST | 5, "122422b", OP_NOTIFY, 2u, 0u, 65008u, 4u, 2u, "te", (size_t)2), OK, 2));
    CHECK(r.seen_count == 1 && r.seen[0].event.length == 4 && memcmp(r.seen[0].value, "note", 4) == 0);
    CHECK(r.seen[0].event.token == 0);
    CHECK(rig_saw(ATTRD_EVENT_NOTIFY, 65008, 0));
    CHECK(answered(piece(6, 0, 10, 0, 5), OK, 5));
    CHECK(answered(piece(7, 1, 10, 5, 5), OK, 1));
    CHECK(answered(piece(8, 5, 10, 5, 5), OK, 5));
    CHECK(r.seen_count == 2 && r.seen[1].event.length == 10);
    rig_stop();
}

static void a_value_that_is_too_long_is_refused(void)
{
    rig_open();
    CHECK(answered(piece(1, 0, ATTRD_MAX_RECEIVED + 1, 0, 5), NO_SPACE, 0));
    CHECK(answered(piece(1, 0, 65535, 0, 5), NO_SPACE, 0));
    CHECK(answered(piece(2, 0, ATTRD_MAX_RECEIVED, 0, 5), OK, 3));
    CHECK(r.seen_count == 0);
    rig_stop();
}

static void a_piece_that_does_not_fit_ends_the_transfer(void)
{
    const message wrong[] = {
        piece(2, 1, 10, 4, 5),  /* overlaps */
        piece(2, 1, 10, 6, 4),  /* leaves a hole */
        piece(2, 1, 10, 5, 6),  /* goes over the end */
        piece(2, 1, 10, 5, 0),  /* is empty */
        piece(2, 1, 11, 5, 5),  /* another size */
        make(REQUEST | 2, "122422b", OP_SET, 1u, 88u, 51617u, 10u, 5u, value, (size_t)5),
        make(REQUEST | 2, "122422b", OP_SET, 1u, 89u, 51616u, 10u, 5u, value, (size_t)5),
        make(REQUEST | 2, "122422b", OP_NOTIFY, 1u, 88u, 51616u, 10u, 5u, value, (size_t)5),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        rig_open();
        CHECK(answered(piece(1, 0, 10, 0, 5), OK, 1));
        CHECK(answered(wrong[i], BAD_DATA, 0));
        CHECK(answered(piece(3, 1, 10, 5, 5), UNKNOWN_TRANSACTION, 0));
        CHECK(r.seen_count == 0);
        rig_stop();
    }
    rig_open();
    CHECK(answered(piece(1, 0, 10, 0, 0), BAD_DATA, 0));
    CHECK(answered(piece(1, 1, 10, 0, 5), UNKNOWN_TRANSACTION, 0));
    rig_stop();
}

static void a_transfer_is_forgotten_after_5_seconds_of_silence(void)
{
    rig_open();
    CHECK(answered(piece(1, 0, 10, 0, 4), OK, 1));
    rig_pass(4 * SECOND);
    CHECK(answered(piece(2, 1, 10, 4, 3), OK, 1));
    rig_pass(5 * SECOND - 1);
    CHECK(r.watch.deadline_ns == r.now + 1);
    CHECK(answered(piece(3, 1, 10, 7, 1), OK, 1));
    rig_pass(5 * SECOND);
    CHECK(r.watch.deadline_ns == ATTRD_NO_DEADLINE);
    CHECK(answered(piece(4, 1, 10, 8, 2), UNKNOWN_TRANSACTION, 0));
    CHECK(r.seen_count == 0 && r.watch.state == ATTRD_STATE_OPEN);
    rig_stop();
}

static void a_transfer_does_not_outlive_its_connection(void)
{
    rig_open();
    CHECK(answered(piece(1, 0, 10, 0, 5), OK, 1));
    seam.ended = true;
    rig_pass(SECOND);
    rig_give(make(1, "1", OK));
    rig_run();
    CHECK(rig_sent() != NULL && rig_is_silent());
    CHECK(answered(piece(2, 1, 10, 5, 5), UNKNOWN_TRANSACTION, 0));
    rig_stop();
}

static void transactions_are_numbered_round_without_0(void)
{
    rig_open();
    for (unsigned i = 1; i < 65535; i++) {
        rig_give(piece(1, 0, 1, 0, 1));
        rig_run();
        rig_forget();
        CHECK(rig_sent_is(make(1, "12", OK, i)));
        if (i % 1024 == 0)
            seam.from_shim_size = r.read = 0;
    }
    CHECK(answered(piece(1, 0, 1, 0, 1), OK, 65535));
    CHECK(answered(piece(1, 0, 1, 0, 1), OK, 1));
    rig_stop();
}

int main(void)
{
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (uint8_t)(i * 7 + i / 256);
    rig_test("pieces are put together", pieces_are_put_together);
    rig_test("two values at a time", two_values_at_a_time);
    rig_test("a value that is too long is refused", a_value_that_is_too_long_is_refused);
    rig_test("a piece that does not fit ends the transfer", a_piece_that_does_not_fit_ends_the_transfer);
    rig_test("a transfer is forgotten after 5 s of silence",
             a_transfer_is_forgotten_after_5_seconds_of_silence);
    rig_test("a transfer does not outlive its connection", a_transfer_does_not_outlive_its_connection);
    rig_test("transactions are numbered round without 0", transactions_are_numbered_round_without_0);
    return rig_end();
}
