/* What listeners see of published values, as attrd_publish in attrd_shim.h promises. */
#include <stdlib.h>
#include <string.h>

#include "rig.h"

enum { TYPE = 65008, WIFI = 65024, WAN = 65037, ETHERNET = 65059 };

static void one_value_is_under_way_at_a_time(void)
{
    uint32_t sequence, operation;
    rig_open();
    rig_publish(TYPE, 1);
    rig_publish(WIFI, 2);
    CHECK(rig_sent_set(TYPE, "\x01", 1, &sequence, &operation));
    CHECK(sequence == (REQUEST | 2) && operation == 1);
    CHECK(rig_is_silent());
    rig_give(make(2, "12", OK, 55u)); /* the answer alone does not end the set */
    rig_run();
    CHECK(rig_is_silent());
    rig_give(make(0, "112", OP_SET_REPLY, OK, 2u)); /* nor does another's reply */
    rig_give(make(0, "112", OP_GET_REPLY, OK, 1u)); /* nor something else */
    rig_run();
    CHECK(rig_is_silent());
    rig_give(make(0, "112", OP_SET_REPLY, OK, 1u));
    rig_run();
    CHECK(rig_sent_set(WIFI, "\x02", 1, &sequence, &operation));
    CHECK(sequence == (REQUEST | 3) && operation == 2);
    rig_give(make(0, "112", OP_SET_REPLY, OK, 2u)); /* a reply before the answer is valid, too */
    rig_give(make(3, "12", OK, 56u));
    rig_run();
    CHECK(rig_is_silent() && r.seen_count == 0 && r.watch.deadline_ns == ATTRD_NO_DEADLINE);
    rig_publish(TYPE, 3);
    CHECK(rig_confirm(TYPE, 3) && seam.sends == 4);
    rig_stop();
}

static void every_change_is_sent_in_order_while_attrd_is_quick(void)
{
    rig_open();
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 1; i <= ATTRD_MAX_PENDING / 2; i++) {
            rig_publish(TYPE, i % 3);
            rig_publish(WIFI, i % 2);
        }
        for (unsigned i = 1; i <= ATTRD_MAX_PENDING / 2; i++) {
            r.now += 50 * MS; /* that still counts as quick */
            CHECK(rig_confirm(TYPE, i % 3));
            r.now += 50 * MS;
            CHECK(rig_confirm(WIFI, i % 2));
        }
        rig_publish(TYPE, 9);
        CHECK(rig_confirm(TYPE, 9));
        rig_publish(WIFI, 9);
        CHECK(rig_confirm(WIFI, 9));
    }
    CHECK(rig_is_silent());
    rig_stop();
}

static void what_does_not_change_is_not_sent(void)
{
    rig_open();
    rig_publish(TYPE, 1);
    rig_publish(TYPE, 1);
    CHECK(rig_confirm(TYPE, 1));
    rig_publish(TYPE, 1);
    CHECK(rig_is_silent());
    CHECK(attrd_publish(r.shim, TYPE, (const uint8_t *)"\x01\x00", 2, r.now) == ATTRD_OK);
    uint32_t sequence, operation;
    CHECK(rig_sent_set(TYPE, "\x01\x00", 2, &sequence, &operation));
    rig_stop();
}

static void values_of_any_size_are_published(void)
{
    uint8_t value[ATTRD_MAX_PUBLISHED_SIZE + 1];
    uint32_t sequence, operation;
    memset(value, 0xee, sizeof value);
    rig_open();
    CHECK(attrd_publish(r.shim, 1, value, -1, r.now) == ATTRD_E_INVALID);
    CHECK(attrd_publish(r.shim, 1, value, sizeof value, r.now) == ATTRD_E_INVALID);
    CHECK(attrd_publish(r.shim, 1, NULL, 1, r.now) == ATTRD_E_INVALID);
    CHECK(rig_is_silent());
    CHECK(attrd_publish(r.shim, 1, NULL, 0, r.now) == ATTRD_OK);
    CHECK(rig_sent_set(1, value, 0, &sequence, &operation));
    rig_give(make(0, "112", OP_SET_REPLY, OK, operation));
    rig_run();
    CHECK(attrd_publish(r.shim, 1, value, ATTRD_MAX_PUBLISHED_SIZE, r.now) == ATTRD_OK);
    CHECK(rig_sent_set(1, value, ATTRD_MAX_PUBLISHED_SIZE, &sequence, &operation));
    rig_stop();
}

static void the_number_of_attributes_is_bounded(void)
{
    rig_open();
    for (uint32_t i = 0; i < ATTRD_MAX_PUBLISHED; i++)
        CHECK(rig_publish(100 + i, 1) == ATTRD_OK);
    CHECK(rig_publish(99, 1) == ATTRD_E_FULL);
    CHECK(rig_publish(100 + ATTRD_MAX_PUBLISHED - 1, 2) == ATTRD_OK);
    for (uint32_t i = 0; i < ATTRD_MAX_PUBLISHED; i++)
        CHECK(rig_confirm(100 + i, 1));
    CHECK(rig_confirm(100 + ATTRD_MAX_PUBLISHED - 1, 2));
    CHECK(rig_is_silent());
    rig_stop();
}

static void every_connection_begins_with_the_latest_values(void)
{
    rig_start(NULL, 0);
    rig_publish(WIFI, 1);
    rig_publish(TYPE, 1);
    rig_publish(WIFI, 2);
    rig_publish(TYPE, 2);
    rig_publish(WIFI, 1);
    for (int connection = 0; connection < 3; connection++) {
        rig_run();
        CHECK(rig_sent() != NULL && rig_is_silent());
        rig_give(make(1, "1", OK));
        rig_run();
        rig_forget();
        CHECK(rig_confirm(WIFI, connection == 0 ? 1 : 7));
        CHECK(rig_confirm(TYPE, connection == 0 ? 2 : 8));
        CHECK(rig_is_silent());

        /* Open and waiting values when the connection ends: the next connection gets only the latest. */
        rig_publish(TYPE, 5);
        rig_publish(WIFI, 6);
        rig_publish(WIFI, 7);
        seam.ended = true;
        rig_run();
        CHECK(rig_saw(ATTRD_EVENT_CLOSED, 0, ATTRD_CLOSED_BY_PEER));
        rig_publish(TYPE, 7);
        rig_publish(TYPE, 8);
        rig_pass(SECOND);
    }
    rig_stop();
}

static void a_slow_attrd_is_told_only_the_latest(void)
{
    rig_open();
    rig_publish(TYPE, 1);
    rig_publish(WIFI, 1);
    rig_publish(WAN, 1);
    rig_publish(WIFI, 2);
    rig_publish(ETHERNET, 1);
    rig_publish(WAN, 2);
    rig_publish(WIFI, 3);
    rig_publish(ETHERNET, 0);
    r.now += 50 * MS + 1;
    CHECK(rig_confirm(TYPE, 1));
    CHECK(rig_confirm(WIFI, 3)); /* in the order in which they began to wait */
    CHECK(rig_confirm(WAN, 2));
    CHECK(rig_confirm(ETHERNET, 0));
    CHECK(rig_is_silent());
    rig_stop();
}

static void an_attribute_that_came_back_meanwhile_is_not_sent_again(void)
{
    rig_open();
    rig_publish(TYPE, 1);
    rig_publish(WIFI, 1);
    CHECK(rig_confirm(TYPE, 1));
    rig_publish(TYPE, 2);
    rig_publish(TYPE, 1);
    rig_publish(WAN, 1);
    r.now += 60 * MS;
    CHECK(rig_confirm(WIFI, 1));
    CHECK(rig_confirm(WAN, 1));
    CHECK(rig_is_silent());
    rig_publish(TYPE, 2);
    CHECK(rig_confirm(TYPE, 2));
    rig_stop();
}

static void too_many_changes_end_with_the_latest(void)
{
    rig_open();
    rig_publish(TYPE, 200);
    rig_publish(WIFI, 1);
    for (unsigned i = 0; i < 10001; i++) {
        rig_publish(TYPE, i % 7);
        rig_publish(ETHERNET, i % 5);
    }
    CHECK(rig_confirm(TYPE, 200));
    CHECK(rig_confirm(WIFI, 1)); /* comes first, although it never changed again */
    unsigned sent = 0, type = 0, ethernet = 0;
    for (const uint8_t *m; (m = rig_sent()) != NULL; sent++) {
        parameter p[8];
        CHECK(message_is(m, "122422b", p));
        *(p[3].number == TYPE ? &type : &ethernet) = p[6].blob[0];
        rig_give(make(0, "112", OP_SET_REPLY, OK, p[2].number));
        rig_run();
    }
    CHECK(sent >= 2 && sent < ATTRD_MAX_PENDING);
    CHECK(type == 10000 % 7 && ethernet == 10000 % 5);
    CHECK(rig_is_silent());
    rig_stop();
}

static void a_refused_value_is_told_and_holds_up_nothing(void)
{
    uint32_t sequence, operation;
    rig_open();
    for (int in_answer = 0; in_answer < 2; in_answer++) {
        rig_publish(TYPE, 1);
        rig_publish(WIFI, (unsigned)in_answer);
        CHECK(rig_sent_set(TYPE, "\x01", 1, &sequence, &operation));
        if (in_answer != 0) {
            rig_give(make(sequence & ~REQUEST, "12", TOO_MANY, 0u));
        } else {
            rig_give(make(sequence & ~REQUEST, "12", OK, 5u));
            rig_give(make(0, "112", OP_SET_REPLY, TOO_MANY, operation));
        }
        rig_run();
        CHECK(rig_saw(ATTRD_EVENT_REFUSED, TYPE, TOO_MANY));
        rig_give(make(0, "112", OP_SET_REPLY, FORBIDDEN, operation)); /* too late to have an effect */
        rig_run();
        CHECK(r.seen_count == 0);
        CHECK(rig_confirm(WIFI, (unsigned)in_answer));
        rig_publish(TYPE, 1);
        CHECK(rig_is_silent());
        rig_publish(TYPE, 0);
        CHECK(rig_confirm(TYPE, 0));
    }

    /* No listener has received a refused value, so it is sent again even if the changes in between were left
       out. */
    rig_publish(TYPE, 1);
    rig_publish(TYPE, 2);
    rig_publish(TYPE, 1);
    r.now += 60 * MS;
    CHECK(rig_sent_set(TYPE, "\x01", 1, &sequence, &operation));
    rig_give(make(sequence & ~REQUEST, "12", NO_SPACE, 0u));
    rig_run();
    CHECK(rig_saw(ATTRD_EVENT_REFUSED, TYPE, NO_SPACE));
    CHECK(rig_confirm(TYPE, 1));
    rig_stop();
}

static void numbers_go_round_without_0(void)
{
    uint8_t value;
    uint32_t sequence, operation;
    rig_open();
    for (uint32_t i = 1; i <= 65536; i++) {
        value = (uint8_t)i;
        rig_publish(TYPE, value);
        CHECK(rig_sent_set(TYPE, &value, 1, &sequence, &operation));
        CHECK(operation == (i == 65536 ? 1 : i));
        CHECK(sequence == (REQUEST | (i % LAST_ID + 1)));
        rig_give(make(sequence & ~REQUEST, "12", OK, 1u));
        rig_give(make(0, "112", OP_SET_REPLY, OK, operation));
        rig_run();
        seam.from_shim_size = r.read = 0;
    }
    rig_stop();
}

/* Random sequences of events, checked against the promises of the header. */
static void any_course_of_changes_and_answers(void)
{
    enum { ATTRIBUTES = 4, MOST = 4096 };
    static uint8_t published[MOST][2], heard[MOST][2];
    unsigned complete = 0;
    for (unsigned seed = 1; seed <= 300; seed++) {
        unsigned published_count = 0, heard_count = 0, latest[ATTRIBUTES];
        bool was_slow = false, was_full = false;
        srand(seed);
        for (unsigned i = 0; i < ATTRIBUTES; i++)
            latest[i] = 99;
        rig_open();
        for (unsigned step = 0; step < 400; step++) {
            unsigned burst = (unsigned)rand() % (seed % 3 == 0 ? 12 : 4);
            for (; burst > 0; burst--) {
                unsigned attribute = (unsigned)rand() % ATTRIBUTES, value = (unsigned)rand() % 3;
                if (latest[attribute] != value && published_count < MOST) {
                    published[published_count][0] = (uint8_t)attribute;
                    published[published_count++][1] = (uint8_t)value;
                    latest[attribute] = value;
                }
                rig_publish(attribute, value);
            }
            was_full |= published_count > heard_count + 1 + ATTRD_MAX_PENDING;
            r.now += (unsigned)rand() % (seed % 2 == 0 ? 45 : 70) * MS;
            unsigned answers = step == 399 || seed % 4 == 0 ? MOST : (unsigned)rand() % 6;
            for (; answers > 0; answers--) {
                parameter p[8];
                const uint8_t *m = rig_sent();
                if (m == NULL)
                    break;
                CHECK(message_is(m, "122422b", p) && rig_is_silent());
                heard[heard_count][0] = (uint8_t)p[3].number;
                heard[heard_count++][1] = p[6].blob[0];
                rig_give(make(0, "112", OP_SET_REPLY, OK, p[2].number));
                rig_run();
            }
            /* A set that is not answered in this step counts as slow from the next step on. */
            was_slow |= seed % 2 != 0 || !rig_is_silent();
        }
        for (unsigned attribute = 0; attribute < ATTRIBUTES; attribute++) {
            unsigned at = 0, last = 99;
            for (unsigned i = 0; i < heard_count; i++) {
                if (heard[i][0] != attribute)
                    continue;
                CHECK(heard[i][1] != last); /* never the same value twice in a row */
                last = heard[i][1];
                while (at < published_count && memcmp(published[at], heard[i], 2) != 0)
                    at++;
                CHECK(at < published_count); /* in the order in which they were published */
                at++;
            }
            CHECK(last == latest[attribute]); /* and the latest at the end */
        }
        if (!was_slow && !was_full) {
            CHECK(heard_count == published_count && memcmp(heard, published, 2 * heard_count) == 0);
            complete++;
        }
        rig_stop();
        if (failed_checks > 0)
            return;
    }
    CHECK(complete >= 50 && complete < 250);
}

int main(void)
{
    rig_test("one value is under way at a time", one_value_is_under_way_at_a_time);
    rig_test("every change is sent, in order, while attrd is quick",
             every_change_is_sent_in_order_while_attrd_is_quick);
    rig_test("what does not change is not sent", what_does_not_change_is_not_sent);
    rig_test("values of 0 to 64 bytes are published", values_of_any_size_are_published);
    rig_test("the number of attributes is bounded", the_number_of_attributes_is_bounded);
    rig_test("every connection begins with the latest values, once",
             every_connection_begins_with_the_latest_values);
    rig_test("a slow attrd is told only the latest", a_slow_attrd_is_told_only_the_latest);
    rig_test("what came back meanwhile is not sent again",
             an_attribute_that_came_back_meanwhile_is_not_sent_again);
    rig_test("too many changes end with the latest", too_many_changes_end_with_the_latest);
    rig_test("a refused value is told and holds up nothing", a_refused_value_is_told_and_holds_up_nothing);
    rig_test("numbers go round without 0", numbers_go_round_without_0);
    rig_test("any course of changes and answers", any_course_of_changes_and_answers);
    return rig_end();
}
