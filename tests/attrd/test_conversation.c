/* attrd's requests, and the answers of the shim and its caller. */
#include <errno.h>
#include <string.h>

#include "rig.h"

static uint8_t big[ATTRD_MAX_RECEIVED + 1];

static message get(unsigned id, uint32_t attribute, unsigned operation)
{
    return make(REQUEST | id, "142", OP_GET, attribute, operation);
}

static int32_t answer(uint32_t event, int32_t status, const void *value, int32_t length)
{
    return attrd_answer(r.shim, r.seen[event].event.token, status, value, length);
}

static void open_names_us_and_our_ranges(void)
{
    uint32_t ranges[2 * ATTRD_MAX_RANGES];
    for (uint32_t i = 0; i < 2 * ATTRD_MAX_RANGES; i++)
        ranges[i] = 65000 + i;
    for (int32_t count = 0; count <= ATTRD_MAX_RANGES; count++) {
        rig_start(ranges, count);
        rig_run();
        if (count == 0)
            CHECK(rig_sent_is(make(REQUEST | 1, "1b2", OP_OPEN, "IPC.CONNMGR", (size_t)11, 0u)));
        else
            CHECK(rig_sent_is(make(REQUEST | 1, "1b2b", OP_OPEN, "IPC.CONNMGR", (size_t)11, (unsigned)count,
                                   ranges, (size_t)count * 8)));
        rig_stop();
    }
}

static void create_refuses_bad_arguments(void)
{
    char path[109], name[66];
    uint32_t range[2] = { 1, 2 };
    memset(path, 'p', sizeof path);
    memset(name, 'n', sizeof name);
    path[108] = name[65] = '\0';
    CHECK(attrd_create(NULL, "n", NULL, 0, 0) == NULL);
    CHECK(attrd_create("", "n", NULL, 0, 0) == NULL);
    CHECK(attrd_create(path, "n", NULL, 0, 0) == NULL);
    CHECK(attrd_create("p", NULL, NULL, 0, 0) == NULL);
    CHECK(attrd_create("p", "", NULL, 0, 0) == NULL);
    CHECK(attrd_create("p", name, NULL, 0, 0) == NULL);
    CHECK(attrd_create("p", "n", NULL, 1, 0) == NULL);
    CHECK(attrd_create("p", "n", range, -1, 0) == NULL);
    CHECK(attrd_create("p", "n", range, ATTRD_MAX_RANGES + 1, 0) == NULL);
    attrd_destroy(NULL);

    path[107] = name[64] = '\0';
    attrd_handle *longest = attrd_create(path, name, NULL, 0, 0);
    CHECK(longest != NULL);
    attrd_destroy(longest);
}

static void gets_are_answered(void)
{
    rig_open();
    rig_give(get(1, 65008, 9));
    rig_give(get(2, 51620, 10));
    rig_give(get(LAST_ID, 0xffffffff, 0xffff));
    rig_run();
    CHECK(r.seen_count == 3);
    CHECK(r.seen[0].event.type == ATTRD_EVENT_GET && r.seen[0].event.attribute == 65008);
    CHECK(r.seen[1].event.type == ATTRD_EVENT_GET && r.seen[1].event.attribute == 51620);
    CHECK(r.seen[2].event.type == ATTRD_EVENT_GET && r.seen[2].event.attribute == 0xffffffff);
    CHECK(rig_is_silent());

    CHECK(answer(1, 0, big, ATTRD_MAX_SENT) == ATTRD_OK);
    CHECK(rig_sent_is(make(2, "12b", OK, 0u, big, (size_t)ATTRD_MAX_SENT)));
    CHECK(answer(0, 0, NULL, 0) == ATTRD_OK);
    CHECK(rig_sent_is(make(1, "12b", OK, 0u, "", (size_t)0)));
    CHECK(answer(2, ATTRD_STATUS_NOT_FOUND, NULL, 99999) == ATTRD_OK);
    CHECK(rig_sent_is(make(LAST_ID, "12", NOT_FOUND, 0xffffu)));
    CHECK(rig_is_silent() && seam.sends == 4);
    rig_stop();
}

static void bad_answers_are_refused(void)
{
    rig_open();
    rig_give(get(1, 65008, 9));
    rig_run();
    CHECK(answer(0, -1, NULL, 0) == ATTRD_E_INVALID);
    CHECK(answer(0, 256, NULL, 0) == ATTRD_E_INVALID);
    CHECK(answer(0, 0, big, -1) == ATTRD_E_INVALID);
    CHECK(answer(0, 0, big, ATTRD_MAX_SENT + 1) == ATTRD_E_INVALID);
    CHECK(answer(0, 0, NULL, 1) == ATTRD_E_INVALID);
    CHECK(attrd_answer(r.shim, r.seen[0].event.token + (UINT64_C(1) << 32), 0, big, 1) == ATTRD_E_STALE);
    CHECK(rig_is_silent());
    CHECK(answer(0, 255, NULL, 0) == ATTRD_OK);
    CHECK(rig_sent_is(make(1, "12", 255u, 9u)));
    rig_stop();
}

static void an_answer_for_another_connection_is_stale(void)
{
    rig_open();
    rig_give(get(1, 65008, 9));
    rig_run();
    uint64_t token = r.seen[0].event.token;
    seam.ended = true;
    rig_run();
    CHECK(attrd_answer(r.shim, token, 0, big, 1) == ATTRD_E_STALE);
    rig_pass(SECOND);
    rig_give(make(1, "1", OK));
    rig_run();
    CHECK(r.watch.state == ATTRD_STATE_OPEN);
    CHECK(attrd_answer(r.shim, token, 0, big, 1) == ATTRD_E_STALE);
    rig_stop();
}

static void sets_by_others_are_answered_twice(void)
{
    rig_open();
    rig_give(make_transfer(REQUEST | 3, OP_SET, 77, 51616, "\x02", 1));
    rig_run();
    CHECK(r.seen_count == 1 && r.seen[0].event.length == 1 && r.seen[0].value[0] == 2);
    uint64_t token = r.seen[0].event.token;
    CHECK(rig_saw(ATTRD_EVENT_SET, 51616, 0));
    CHECK(rig_sent_is(make(3, "12", OK, 1u)));
    CHECK(rig_is_silent());
    CHECK(attrd_answer(r.shim, token, ATTRD_STATUS_SET_REJECTED, NULL, 0) == ATTRD_OK);
    CHECK(rig_sent_is(make(0, "112", OP_SET_REPLY, REJECTED, 77u)));
    CHECK(rig_is_silent() && seam.sends == 3);
    rig_stop();
}

static void notifications_are_answered_once(void)
{
    rig_open();
    rig_give(make_transfer(REQUEST | 3, OP_NOTIFY, 0, 65008, "", 0));
    rig_run();
    CHECK(r.seen_count == 1 && r.seen[0].event.length == 0 && r.seen[0].event.value != NULL);
    CHECK(rig_saw(ATTRD_EVENT_NOTIFY, 65008, 0));
    CHECK(rig_sent_is(make(3, "12", OK, 1u)));
    CHECK(rig_is_silent());
    rig_stop();
}

static void failing_calls_are_told(void)
{
    rig_open();
    seam.failure = EINTR;
    rig_run();
    seam.failure = EAGAIN;
    rig_run();
    CHECK(r.watch.state == ATTRD_STATE_OPEN && r.seen_count == 0);
    seam.failure = ECONNRESET;
    rig_run();
    CHECK(rig_saw(ATTRD_EVENT_CLOSED, ECONNRESET, ATTRD_CLOSED_FAILED));
    rig_stop();

    /* While sending: at once for a signal, at the next look for all others. */
    rig_open();
    rig_give(get(1, 65008, 1));
    rig_run();
    seam.failure = EINTR;
    CHECK(answer(0, 0, "x", 1) == ATTRD_OK);
    CHECK(rig_sent_is(make(1, "12b", OK, 0u, "x", (size_t)1)));
    rig_forget();
    seam.failure = EPIPE;
    rig_publish(65008, 1);
    attrd_get_watch(r.shim, &r.watch);
    CHECK(r.watch.state == ATTRD_STATE_LEAVING && r.watch.deadline_ns <= r.now);
    rig_run();
    CHECK(rig_saw(ATTRD_EVENT_CLOSED, EPIPE, ATTRD_CLOSED_FAILED));
    CHECK(r.watch.fd == -1 && r.watch.state == ATTRD_STATE_WAITING);
    rig_stop();
}

int main(void)
{
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (uint8_t)(i * 7 + i / 256);
    rig_test("create refuses bad arguments", create_refuses_bad_arguments);
    rig_test("the open names us and our ranges", open_names_us_and_our_ranges);
    rig_test("gets are answered with a value or a status", gets_are_answered);
    rig_test("bad answers are refused", bad_answers_are_refused);
    rig_test("an answer for another connection is stale", an_answer_for_another_connection_is_stale);
    rig_test("sets by others are answered twice", sets_by_others_are_answered_twice);
    rig_test("notifications are answered once", notifications_are_answered_once);
    rig_test("failing system calls are told or tried again", failing_calls_are_told);
    return rig_end();
}
