/* Messages that a client must survive: wrong, unknown or truncated ones. */
#include <stdio.h>
#include <string.h>

#include "rig.h"

static message get(unsigned id, uint32_t attribute, unsigned operation)
{
    return make(REQUEST | id, "142", OP_GET, attribute, operation);
}

/* Gives a message and then a good one: the first is answered with the status, or not at all if that is -1,
 * and is no event; the second is as if nothing had happened. */
static void survives(const char *what, message bad, int status)
{
    int before = failed_checks;
    bad.bytes[6] = 0xff; /* padding is ignored */
    bad.bytes[3] = 0xab; /* so is a client id */
    rig_give(bad);
    rig_give(get(9, 65008, 1));
    rig_run();
    if (status >= 0) {
        parameter p[8];
        const uint8_t *sent = rig_sent();
        CHECK(sent != NULL && message_sequence(sent) == 5 && message_is(sent, "12", p));
        CHECK(sent != NULL && (int)p[0].number == status && p[1].number == 0);
    }
    CHECK(rig_is_silent());
    CHECK(r.seen_count == 1 && r.seen[0].event.type == ATTRD_EVENT_GET);
    CHECK(attrd_answer(r.shim, r.seen[0].event.token, 0, (const uint8_t *)"x", 1) == ATTRD_OK);
    CHECK(rig_sent_is(make(9, "12b", OK, 0u, "x", (size_t)1)));
    rig_forget();
    if (failed_checks != before)
        printf("# in: %s\n", what);
}

static message with_body_length(message m, unsigned length)
{
    m.bytes[8] = (uint8_t)(length >> 8);
    m.bytes[9] = (uint8_t)length;
    return m;
}

/* Replaces the type of the parameter that begins at this offset of the body. */
static message with_type(message m, size_t offset, unsigned type)
{
    m.bytes[8 + offset] = (uint8_t)(type >> 8);
    m.bytes[8 + offset + 1] = (uint8_t)type;
    return m;
}

static message cut(message m, size_t size)
{
    m.bytes[4] = (uint8_t)size;
    m.bytes[5] = 0;
    m.size = size;
    return m;
}

static void malformed_messages_are_survived(void)
{
    message good = get(5, 65008, 3), set = make_transfer(REQUEST | 5, OP_SET, 3, 51616, "\x02", 1);
    rig_open();
    survives("no body", cut(good, 8), BAD_TLV);
    survives("half a body length", cut(good, 9), BAD_TLV);
    survives("no code", make(REQUEST | 5, ""), BAD_TLV);
    survives("body length too small by one", with_body_length(good, 14), BAD_TLV);
    survives("body length too large by one", with_body_length(good, 16), BAD_TLV);
    survives("body length zero", with_body_length(good, 0), BAD_TLV);
    survives("body length of 65535", with_body_length(good, 65535), BAD_TLV);
    static const unsigned types[] = { 0x8000, 0x8001, 0x8fff, 0x9001, 0xa000, 0xb001, 0xc000, 0xc001,
                                      0xd000, 0xe000, 0xf000, 0xffff };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        survives("unknown type of the code", with_type(good, 2, types[i]), BAD_TLV);
        survives("unknown type of the attribute", with_type(good, 5, types[i]), BAD_TLV);
        survives("unknown type of the value", with_type(set, 27, types[i]), BAD_TLV);
    }
    for (size_t size = 10; size < good.size; size++)
        survives("a get that is cut", with_body_length(cut(good, size), (unsigned)size - 8), BAD_TLV);
    for (size_t size = 10; size < set.size; size++)
        survives("a set that is cut", with_body_length(cut(set, size), (unsigned)size - 8), BAD_TLV);
    survives("a get with more behind", make(REQUEST | 5, "1421", OP_GET, 65008u, 3u, 0u), BAD_TLV);
    survives("a set with more behind",
             make(REQUEST | 5, "122422b1", OP_SET, 0u, 3u, 51616u, 1u, 0u, "x", (size_t)1, 0u), BAD_TLV);
    survives("a set whose blob goes over the end", with_type(set, 27, 2), BAD_TLV);
    survives("a malformed answer", with_body_length(make(5, "12", OK, 1u), 3), -1);
    survives("an empty answer", make(5, ""), -1);
    survives("a malformed request without id",
             with_body_length(make(REQUEST, "142", OP_GET, 65008u, 1u), 3), -1);
    survives("malformed and unsolicited", with_body_length(make(0, "112", OP_SET_REPLY, OK, 1u), 3), -1);
    rig_stop();
}

static void unknown_and_unexpected_messages_are_survived(void)
{
    rig_open();
    for (unsigned code = 0; code < 256; code++)
        if (code != OP_NOTIFY && code != OP_SET && code != OP_GET)
            survives("another code", make(REQUEST | 5, "1", code), NOT_IMPLEMENTED);
    survives("pieces of a get that we never asked",
             make_transfer(REQUEST | 5, OP_GET_REPLY, 1, 65008, "x", 1), NOT_IMPLEMENTED);
    survives("a set of more than its size",
             make(REQUEST | 5, "122422b", OP_SET, 0u, 3u, 51616u, 1u, 0u, "xy", (size_t)2), BAD_DATA);
    survives("a set that begins in the middle",
             make(REQUEST | 5, "122422b", OP_SET, 0u, 3u, 51616u, 2u, 1u, "x", (size_t)1), BAD_DATA);
    survives("a set of an unknown transaction",
             make(REQUEST | 5, "122422b", OP_SET, 9u, 3u, 51616u, 1u, 0u, "x", (size_t)1),
             UNKNOWN_TRANSACTION);
    survives("an answer nobody waits for", make(5, "12", OK, 1u), -1);
    survives("a bad answer nobody waits for", make(5, "12", FORBIDDEN, 1u), -1);
    survives("the answer to the open again", make(1, "1", NOT_OPEN), -1);
    survives("an unsolicited get", make(0, "142", OP_GET, 65008u, 1u), -1);
    survives("an unsolicited set", make_transfer(0, OP_SET, 1, 51616, "x", 1), -1);
    survives("a request without id", make(REQUEST, "142", OP_GET, 65008u, 1u), -1);
    for (unsigned operation = 0; operation < 3; operation++)
        survives("a set reply nobody waits for", make(0, "112", OP_SET_REPLY, FORBIDDEN, operation), -1);
    survives("half a set reply", make(0, "11", OP_SET_REPLY, OK), -1);
    rig_stop();
}

static void printable_blobs_are_blobs(void)
{
    message set = make_transfer(REQUEST | 5, OP_SET, 3, 51616, "\x02", 1);
    rig_open();
    rig_give(with_type(set, 27, 0x4001));
    rig_run();
    CHECK(r.seen_count == 1 && r.seen[0].event.length == 1 && r.seen[0].value[0] == 2);
    rig_stop();
}

static void a_length_that_cannot_be_ends_the_connection(void)
{
    static const uint16_t lengths[] = { 0, 1, 7, 4097, 32768, 65535 };
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        message m = get(1, 65008, 1);
        rig_open();
        memcpy(m.bytes + 4, &lengths[i], 2);
        rig_give(m);
        rig_run();
        CHECK(rig_saw(ATTRD_EVENT_CLOSED, lengths[i], ATTRD_CLOSED_NONSENSE));
        CHECK(r.watch.fd == -1 && r.watch.events == 0);
        rig_stop();
    }
}

static void the_longest_message_passes(void)
{
    static const uint8_t big[MESSAGE_MAX - 15];
    message longest = make(REQUEST | 1, "1b", 99u, big, sizeof big);
    rig_open();
    CHECK(longest.size == MESSAGE_MAX);
    for (int i = 0; i < 3; i++) {
        rig_give(longest);
        rig_run();
        CHECK(rig_sent_is(make(1, "12", NOT_IMPLEMENTED, 0u)));
    }
    CHECK(r.seen_count == 0 && r.watch.state == ATTRD_STATE_OPEN);
    rig_stop();
}

static void a_close_at_any_byte_is_survived(void)
{
    message m = make_transfer(REQUEST | 3, OP_SET, 77, 51616, "\x02", 1);
    for (uint32_t there = 0; there < m.size; there++) {
        rig_open();
        seam_give(m.bytes, there);
        seam.ended = true;
        rig_run();
        CHECK(rig_saw(ATTRD_EVENT_CLOSED, 0, ATTRD_CLOSED_BY_PEER));
        rig_pass(SECOND);
        rig_give(make(1, "1", OK));
        rig_give(m);
        rig_run();
        CHECK(r.seen_count == 2 && r.seen[1].event.type == ATTRD_EVENT_SET);
        rig_stop();
    }
}

int main(void)
{
    rig_test("malformed messages are survived", malformed_messages_are_survived);
    rig_test("unknown and unexpected messages are survived", unknown_and_unexpected_messages_are_survived);
    rig_test("printable blobs are blobs", printable_blobs_are_blobs);
    rig_test("a length that cannot be ends the connection", a_length_that_cannot_be_ends_the_connection);
    rig_test("the longest message passes", the_longest_message_passes);
    rig_test("a close at any byte is survived", a_close_at_any_byte_is_survived);
    return rig_end();
}
