/* Time-outs and reconnection, in simulated time. */
#include <errno.h>
#include <string.h>

#include "rig.h"

enum { TYPE = 65008 };

/* Lets time pass and expects exactly one attempt to connect, at exactly that time. */
static void attempt_after(uint64_t wait, int32_t reason, uint32_t detail)
{
    uint32_t before = seam.connects;
    CHECK(r.watch.deadline_ns == r.now + wait);
    rig_pass(wait - 1);
    attrd_process(r.shim, r.now); /* an early call must have no effect */
    CHECK(seam.connects == before && r.seen_count == 0);
    rig_pass(1);
    CHECK(seam.connects == before + 1);
    CHECK(rig_saw(ATTRD_EVENT_CLOSED, detail, reason));
    CHECK(r.watch.fd == -1 && r.watch.state == ATTRD_STATE_WAITING && r.watch.events == 0);
}

static void attrd_is_looked_for_after_1_2_4_and_then_every_10_seconds(void)
{
    static const int errors[] = { ENOENT, ECONNREFUSED, EAGAIN, EACCES };
    rig_start(NULL, 0);
    seam.connect_error = ENOENT;
    CHECK(r.watch.deadline_ns == r.now && r.watch.fd == -1);
    rig_run();
    CHECK(rig_saw(ATTRD_EVENT_CLOSED, ENOENT, ATTRD_CLOSED_CONNECT));
    CHECK(seam.connects == 1 && r.watch.generation == 0);
    for (int round = 0; round < 4; round++) {
        seam.connect_error = errors[round];
        attempt_after(round == 0 ? SECOND : 10 * SECOND, ATTRD_CLOSED_CONNECT, (uint32_t)errors[round]);
        attempt_after(round == 0 ? 2 * SECOND : 10 * SECOND, ATTRD_CLOSED_CONNECT, (uint32_t)errors[round]);
        attempt_after(round == 0 ? 4 * SECOND : 10 * SECOND, ATTRD_CLOSED_CONNECT, (uint32_t)errors[round]);
    }

    seam.connect_error = 0;
    rig_pass(10 * SECOND);
    CHECK(r.watch.state == ATTRD_STATE_OPENING && r.watch.generation == 1);
    rig_give(make(1, "1", OK));
    rig_run();
    CHECK(rig_saw(ATTRD_EVENT_OPEN, 0, 0));
    CHECK(r.watch.state == ATTRD_STATE_OPEN && r.watch.deadline_ns == ATTRD_NO_DEADLINE);

    /* An accepted open starts the count again, when there is nothing to confirm. */
    seam.ended = true;
    rig_run();
    CHECK(rig_saw(ATTRD_EVENT_CLOSED, 0, ATTRD_CLOSED_BY_PEER));
    seam.connect_error = ENOENT;
    attempt_after(1 * SECOND, ATTRD_CLOSED_CONNECT, ENOENT);
    attempt_after(2 * SECOND, ATTRD_CLOSED_CONNECT, ENOENT);
    attempt_after(4 * SECOND, ATTRD_CLOSED_CONNECT, ENOENT);
    attempt_after(10 * SECOND, ATTRD_CLOSED_CONNECT, ENOENT);
    rig_stop();
}

static void an_open_has_1_second(void)
{
    static const uint64_t waits[] = { SECOND, 2 * SECOND, 4 * SECOND, 10 * SECOND, 10 * SECOND };
    rig_start(NULL, 0);
    for (unsigned i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        rig_run();
        CHECK(r.watch.state == ATTRD_STATE_OPENING && r.watch.deadline_ns == r.now + SECOND);
        rig_pass(SECOND - 1);
        CHECK(r.watch.state == ATTRD_STATE_OPENING && r.seen_count == 0);
        rig_pass(1);
        CHECK(rig_saw(ATTRD_EVENT_CLOSED, 0, ATTRD_CLOSED_UNANSWERED));
        CHECK(r.watch.deadline_ns == r.now + waits[i]);
        rig_pass(waits[i]);
        CHECK(seam.connects == i + 2);
    }
    rig_stop();
}

/* attrd hangs: it does not close the old connection and does not answer a new one. There is only one at a
   time. */
static void attrd_has_10_seconds_to_close_what_we_have_ended(void)
{
    static const uint64_t closes_after[] = { 0, 500 * MS, 1500 * MS, 10 * SECOND };
    for (unsigned i = 0; i < sizeof closes_after / sizeof closes_after[0]; i++) {
        rig_open();
        seam.lingers = true;
        rig_publish(TYPE, 1);
        rig_pass(5 * SECOND);
        CHECK(rig_saw(ATTRD_EVENT_CLOSED, TYPE, ATTRD_CLOSED_SILENT));
        CHECK(r.watch.state == ATTRD_STATE_LEAVING && seam.left && r.watch.generation == 1);
        CHECK(r.watch.events == ATTRD_READABLE && r.watch.deadline_ns == r.now + 10 * SECOND);

        /* Everything that arrives now is read and ignored. */
        uint8_t noise[9000];
        memset(noise, 0xff, sizeof noise);
        seam_give(noise, sizeof noise);
        rig_give(make(REQUEST | 1, "142", OP_GET, TYPE, 1u));
        rig_run();
        CHECK(seam.to_shim_taken == seam.to_shim_size && r.seen_count == 0);
        CHECK(attrd_answer(r.shim, UINT64_C(1) << 32 | 1 << 16 | 1, 0, NULL, 0) == ATTRD_E_STALE);
        rig_publish(TYPE, 2); /* kept for the next connection */

        uint64_t wait = closes_after[i];
        if (wait < 10 * SECOND) {
            rig_pass(wait);
            CHECK(r.watch.state == ATTRD_STATE_LEAVING && seam.connects == 1);
            seam.ended = true;
        } else {
            rig_pass(wait - 1);
            CHECK(r.watch.state == ATTRD_STATE_LEAVING && seam.connects == 1);
            rig_pass(1);
        }
        rig_run();
        seam.lingers = false;
        rig_pass(wait < SECOND ? SECOND - wait : 0); /* with and without the usual wait being over */
        CHECK(r.watch.state == ATTRD_STATE_OPENING && seam.connects == 2 && r.seen_count == 0);
        r.read = seam.from_shim_size, r.connects = seam.connects;
        rig_give(make(1, "1", OK));
        rig_run();
        CHECK(rig_saw(ATTRD_EVENT_OPEN, 0, 0) && rig_confirm(TYPE, 2));
        rig_stop();
    }
}

static void a_program_that_ends_does_not_wait(void)
{
    rig_open();
    seam.lingers = true;
    rig_publish(TYPE, 1);
    rig_stop();
    CHECK(seam.said_goodbye && seam.left);

    rig_start(NULL, 0); /* not even opened */
    rig_run();
    rig_stop();
    CHECK(seam.said_goodbye && seam.left);
}

static void a_refused_open_counts_as_failed(void)
{
    rig_start(NULL, 0);
    rig_run();
    for (unsigned status = 1; status <= 3; status++) {
        rig_give(make(2, "1", OK));          /* another's answer */
        rig_give(make(REQUEST | 1, "1", OK)); /* no answer */
        rig_run();
        CHECK(r.watch.state == ATTRD_STATE_OPENING);
        rig_give(make(1, "1", status));
        rig_run();
        CHECK(rig_saw(ATTRD_EVENT_CLOSED, status, ATTRD_CLOSED_REFUSED));
        CHECK(r.watch.deadline_ns == r.now + (SECOND << (status - 1)));
        rig_pass(SECOND << (status - 1));
    }
    rig_stop();
}

/* attrd accepts the open and confirms no value, or only the first of two, or closes: the shim must not
   reconnect too often. */
static void an_attrd_that_never_confirms_is_asked_less_and_less(void)
{
    static const uint64_t waits[] = { SECOND, 2 * SECOND, 4 * SECOND, 10 * SECOND, 10 * SECOND };
    for (int confirmed = 0; confirmed < 3; confirmed++) {
        rig_start(NULL, 0);
        rig_publish(TYPE, 1);
        rig_publish(TYPE + 1, 1);
        for (unsigned i = 0; i < sizeof waits / sizeof waits[0]; i++) {
            rig_run();
            rig_give(make(1, "1", OK));
            rig_run();
            CHECK(rig_saw(ATTRD_EVENT_OPEN, 0, 0));
            if (confirmed == 1) {
                rig_give(make(2, "1", OK));
                rig_give(make(0, "112", OP_SET_REPLY, OK, 2 * i + 1));
                rig_run();
            } else if (confirmed == 2) {
                seam.ended = true;
                rig_run();
                seam.ended = false;
            }
            if (confirmed < 2)
                rig_pass(5 * SECOND);
            CHECK(rig_saw(ATTRD_EVENT_CLOSED, confirmed == 2 ? 0 : TYPE + (uint32_t)confirmed,
                          confirmed == 2 ? ATTRD_CLOSED_BY_PEER : ATTRD_CLOSED_SILENT));
            CHECK(r.watch.deadline_ns == r.now + waits[i]);
            rig_pass(waits[i]);
        }
        rig_stop();
    }
}

static void a_published_value_has_5_seconds(void)
{
    for (int answered = 0; answered < 2; answered++) {
        rig_open();
        rig_pass(100 * SECOND);
        rig_publish(TYPE, 1);
        CHECK(rig_sent() != NULL);
        if (answered != 0)
            rig_give(make(2, "12", OK, 5u)); /* but no reply */
        rig_run();
        CHECK(r.watch.deadline_ns == r.now + 5 * SECOND);
        rig_pass(5 * SECOND - 1);
        CHECK(r.watch.state == ATTRD_STATE_OPEN && r.seen_count == 0);
        rig_pass(1);
        CHECK(rig_saw(ATTRD_EVENT_CLOSED, TYPE, ATTRD_CLOSED_SILENT));
        CHECK(r.watch.deadline_ns == r.now + SECOND);
        rig_pass(SECOND);
        CHECK(rig_sent() != NULL && rig_is_silent());
        rig_give(make(1, "1", OK));
        rig_run();
        CHECK(rig_confirm(TYPE, 1));
        rig_stop();
    }
}

static void a_storm_of_gets_does_not_hide_a_silence(void)
{
    rig_open();
    rig_publish(TYPE, 1);
    for (int i = 0; i < 500 && r.watch.state == ATTRD_STATE_OPEN; i++) {
        rig_give(make(REQUEST | 1, "142", OP_GET, 65008u, 1u));
        rig_run();
        rig_forget();
        r.now += 20 * MS;
    }
    CHECK(r.watch.state == ATTRD_STATE_WAITING);
    rig_stop();
}

static void an_answer_that_was_there_in_time_counts_however_late_we_look(void)
{
    rig_start(NULL, 0);
    rig_run();
    CHECK(rig_sent() != NULL);
    rig_give(make(1, "1", OK));
    r.now += 20 * SECOND;
    rig_publish(TYPE, 1);
    rig_run();
    CHECK(rig_saw(ATTRD_EVENT_OPEN, 0, 0));
    CHECK(rig_sent() != NULL);
    rig_give(make(0, "112", OP_SET_REPLY, OK, 1u));
    r.now += 20 * SECOND;
    rig_run();
    CHECK(r.seen_count == 0 && r.watch.state == ATTRD_STATE_OPEN);
    CHECK(r.watch.deadline_ns == ATTRD_NO_DEADLINE);
    rig_stop();
}

static void every_descriptor_has_its_generation(void)
{
    uint32_t last = 0;
    rig_start(NULL, 0);
    for (int i = 0; i < 5; i++) {
        rig_run();
        CHECK(r.watch.fd == 1000 && r.watch.generation != last);
        CHECK(r.watch.events == ATTRD_READABLE);
        last = r.watch.generation;
        rig_give(make(1, "1", OK));
        rig_run();
        CHECK(r.watch.generation == last);
        seam.ended = true;
        rig_run();
        CHECK(r.watch.fd == -1 && r.watch.generation != last);
        last = r.watch.generation;
        rig_forget();
        rig_pass(SECOND);
    }
    rig_stop();
}

static void a_clock_that_goes_back_stands_still(void)
{
    rig_open();
    rig_publish(TYPE, 1);
    uint64_t deadline = r.now + 5 * SECOND;
    attrd_process(r.shim, r.now - SECOND);
    attrd_process(r.shim, 0);
    attrd_get_watch(r.shim, &r.watch);
    CHECK(r.watch.deadline_ns == deadline && r.watch.state == ATTRD_STATE_OPEN);
    seam.ended = true;
    attrd_process(r.shim, r.now - SECOND);
    attrd_event event;
    CHECK(attrd_next_event(r.shim, 1, &event) == 1 && event.type == ATTRD_EVENT_CLOSED);
    attrd_get_watch(r.shim, &r.watch);
    CHECK(r.watch.deadline_ns == r.now + SECOND);
    rig_stop();
}

static void the_end_of_time_is_survived(void)
{
    rig_start(NULL, 0);
    r.now = UINT64_MAX - 1;
    attrd_process(r.shim, r.now);
    rig_give(make(1, "1", OK));
    attrd_event event;
    attrd_process(r.shim, r.now);
    CHECK(attrd_next_event(r.shim, r.now, &event) == 1 && event.type == ATTRD_EVENT_OPEN);
    rig_publish(TYPE, 1);
    attrd_get_watch(r.shim, &r.watch);
    CHECK(r.watch.deadline_ns == UINT64_MAX && r.watch.state == ATTRD_STATE_OPEN);
    rig_stop();
}

int main(void)
{
    rig_test("attrd has 10 s to close what we have ended",
             attrd_has_10_seconds_to_close_what_we_have_ended);
    rig_test("a program that ends does not wait", a_program_that_ends_does_not_wait);
    rig_test("attrd is looked for after 1, 2, 4 and then every 10 s",
             attrd_is_looked_for_after_1_2_4_and_then_every_10_seconds);
    rig_test("an open has 1 s", an_open_has_1_second);
    rig_test("a refused open counts as failed", a_refused_open_counts_as_failed);
    rig_test("an attrd that never confirms is asked less and less",
             an_attrd_that_never_confirms_is_asked_less_and_less);
    rig_test("a published value has 5 s", a_published_value_has_5_seconds);
    rig_test("a storm of gets does not hide a silence", a_storm_of_gets_does_not_hide_a_silence);
    rig_test("an answer that was there in time counts however late we look",
             an_answer_that_was_there_in_time_counts_however_late_we_look);
    rig_test("every descriptor has its generation", every_descriptor_has_its_generation);
    rig_test("a clock that goes back stands still", a_clock_that_goes_back_stands_still);
    rig_test("the end of time is survived", the_end_of_time_is_survived);
    return rig_end();
}
