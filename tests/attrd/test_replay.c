/* Recordings of a real attrd with real clients: ours must answer as those did. Argument: their directory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recording.h"
#include "rig.h"

static const char *directory;
static recorded messages[RECORDING_MOST];
static unsigned count;

static void answer_as_the_owner_did(const attrd_event *event)
{
    static const char revision[] = "ba3f9a0823abb81cfa2a01b39ec0e461ab7399d1";
    const uint8_t *value = (const uint8_t *)(event->attribute == 65022 ? "\x05" : "\x00");
    int32_t size = 1;
    if (event->type == ATTRD_EVENT_GET && event->attribute == 51620) {
        value = (const uint8_t *)revision;
        size = sizeof revision;
    }
    if (event->type == ATTRD_EVENT_GET || event->type == ATTRD_EVENT_SET)
        CHECK(attrd_answer(r.shim, event->token, 0, value, size) == ATTRD_OK);
    else
        CHECK(event->type == ATTRD_EVENT_OPEN || event->type == ATTRD_EVENT_NOTIFY);
}

static bool is_request(const recorded *m)
{
    return (m->message.sequence & REQUEST) != 0;
}

/* Feeds everything that was received, in the same or other portions. The shim must send everything that the
 * client sent (its open and its answers), byte for byte except for transactions. Another test covers the
 * `skipped` own requests. */
static void replay(uint32_t recv_most, bool at_once, unsigned skipped)
{
    unsigned answers = 0, requests = 0, first_received = 0;
    seam.recv_most = recv_most;
    rig_run();
    CHECK(rig_sent_is(messages[0].message));

    for (unsigned i = 1; i < count; i++) {
        if (messages[i].sent)
            continue;
        first_received = first_received == 0 ? i : first_received;
        rig_give(messages[i].message);
        bool chunk_goes_on = i + 1 < count && messages[i + 1].chunk == messages[i].chunk;
        if (!at_once && !chunk_goes_on)
            rig_run();
    }
    rig_run();

    for (unsigned i = 1; i < count; i++) {
        if (!messages[i].sent)
            continue;
        if (is_request(&messages[i])) {
            requests++;
            continue;
        }
        const uint8_t *sent = rig_sent();
        answers++;
        CHECK(sent != NULL && recording_same_answer(sent, messages[i].message.bytes));
        CHECK(sent != NULL && message_sequence(sent) == messages[i].message.sequence);
        if (sent == NULL)
            break;
    }
    CHECK(rig_is_silent() && r.watch.state == ATTRD_STATE_OPEN);
    CHECK(requests == skipped && answers > 0 && first_received > 0);
}

static void the_owner_answers_as_recorded(void)
{
    static const uint32_t portions[] = { UINT32_MAX, 1, 7, 100 };
    count = recording_read(directory, "owner-connmgr.txt", messages);
    for (unsigned i = 0; i < 8; i++) {
        rig_start(NULL, 0);
        r.on_event = answer_as_the_owner_did;
        replay(portions[i / 2], i % 2 != 0, 11);
        rig_stop();
    }
}

static void the_listener_answers_as_recorded(void)
{
    static const uint32_t ranges[] = { 65008, 65008, 65022, 65064 };
    static const struct { uint32_t attribute; uint8_t value; } changes[] = {
        { 65059, 0 }, { 65008, 1 }, { 65059, 1 }, { 65008, 0 },
    };
    count = recording_read(directory, "listener-two-ranges.txt", messages);
    for (unsigned i = 0; i < 4; i++) {
        rig_start_as("IPC.TWORANGE", ranges, 2);
        replay(i < 2 ? UINT32_MAX : 1, i % 2 != 0, 0);
        CHECK(r.seen_count == 5 && r.seen[0].event.type == ATTRD_EVENT_OPEN);
        for (unsigned n = 0; n < 4; n++) {
            const seen *s = &r.seen[n + 1];
            CHECK(s->event.type == ATTRD_EVENT_NOTIFY && s->event.attribute == changes[n].attribute);
            CHECK(s->event.length == 1 && s->value[0] == changes[n].value);
        }
        rig_stop();
    }
}

/* Feeds a recorded answer or set reply with the numbers of our request. */
static void give_with(message m, uint32_t id, uint32_t operation)
{
    parameter p[8];
    bool is_reply = message_is(m.bytes, "112", p);
    if (is_reply) {
        m.bytes[m.size - 2] = (uint8_t)(operation >> 8);
        m.bytes[m.size - 1] = (uint8_t)operation;
    } else {
        uint32_t sequence = (m.sequence & 0xffff0000) | id;
        memcpy(m.bytes, &sequence, 4);
    }
    rig_give(m);
}

/* We set each value that the owner set in the same bytes, except for the numbers. attrd's recorded answers
 * end our set, too. */
static void values_are_published_as_recorded(void)
{
    unsigned sets = 0;
    count = recording_read(directory, "owner-connmgr.txt", messages);
    rig_open();
    for (unsigned i = 1; i < count; i++) {
        message *m = &messages[i].message;
        parameter p[8], ours[8];
        if (!messages[i].sent || !is_request(&messages[i]))
            continue;
        CHECK(message_is(m->bytes, "122422b", p) && p[0].number == OP_SET);
        rig_publish(p[3].number, 99); /* so that the next is a change, even if the owner repeats itself */
        CHECK(rig_confirm(p[3].number, 99));
        attrd_publish(r.shim, p[3].number, p[6].blob, (int32_t)p[6].number, r.now);
        const uint8_t *sent = rig_sent();
        CHECK(sent != NULL && message_is(sent, "122422b", ours) && rig_is_silent());
        if (sent == NULL)
            break;
        uint32_t id = message_sequence(sent) & LAST_ID, operation = ours[2].number;
        uint8_t same[MESSAGE_MAX];
        memcpy(same, sent, m->size);
        memcpy(same, m->bytes, 4);            /* the sequence number */
        memcpy(same + 19, m->bytes + 19, 2);  /* the operation */
        CHECK(message_size(sent, MESSAGE_MAX) == (int)m->size && memcmp(same, m->bytes, m->size) == 0);
        CHECK(message_sequence(sent) >> 15 == 1);

        for (unsigned n = i + 1; n < count; n++) {
            parameter q[8];
            const message *received = &messages[n].message;
            if (!messages[n].sent && !is_request(&messages[n]) &&
                ((received->sequence & LAST_ID) == (m->sequence & LAST_ID) ||
                 (message_is(received->bytes, "112", q) && q[2].number == p[2].number)))
                give_with(*received, id, operation);
        }
        rig_run();
        CHECK(r.watch.deadline_ns == ATTRD_NO_DEADLINE); /* the shim waits for nothing more */
        sets++;
    }
    CHECK(sets == 11);
    rig_stop();
}

int main(int argc, char **argv)
{
    directory = argc > 1 ? argv[1] : "recordings";
    rig_test("replay: the owner answers as recorded", the_owner_answers_as_recorded);
    rig_test("replay: the listener answers as recorded", the_listener_answers_as_recorded);
    rig_test("replay: values are published as recorded", values_are_published_as_recorded);
    return rig_end();
}
