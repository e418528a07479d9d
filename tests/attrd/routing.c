/* How the stand-in handles messages: opens, gets and sets, and the owner's answers. */
#include <stdio.h>
#include <string.h>

#include "standin.h"

#define TIMEOUT 5000000

enum { NOTIFY = 1, WRITABLE = 2 };
static const struct {
    uint32_t id;
    unsigned flags;
} attributes[] = {
    { 65008, NOTIFY }, { 65022, NOTIFY }, { 65024, NOTIFY }, { 65037, NOTIFY }, { 65059, NOTIFY },
    { 65025, 0 }, { 65026, 0 }, { 65027, 0 }, { 65028, 0 }, { 65029, 0 },
    { 65038, 0 }, { 65039, 0 }, { 65040, 0 }, { 65041, 0 },
    { 65060, 0 }, { 65061, 0 }, { 65062, 0 }, { 65063, 0 }, { 65064, 0 },
    { 51616, WRITABLE }, { 51620, 0 },
};

/* A request to the owner, by its id; a set by its operation. */
typedef struct {
    enum { FREE, GET, OWN_GET, SET, OWN_SET } kind;
    unsigned client;   /* its id */
    uint32_t sequence; /* to answer with */
    unsigned operation;
    uint32_t attribute;
    int64_t deadline;
    size_t size, sent; /* of the value of a set */
    uint8_t value[PIECE_MAX];
} pending;

unsigned own_answers, own_values;
static unsigned last_transaction;
static pending gets[LAST_ID + 1], sets[64];

/* An owner's set whose answers are delayed. */
static struct {
    bool waits;
    int64_t due;
    unsigned client, operation;
    uint32_t sequence, attribute;
    size_t size;
    uint8_t value[PIECE_MAX];
} delayed;

static uint32_t next_request(client *c)
{
    c->last_request = c->last_request % LAST_ID + 1;
    return REQUEST | c->last_request;
}

static int flags_of(uint32_t attribute)
{
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++)
        if (attributes[i].id == attribute)
            return (int)attributes[i].flags;
    return -1;
}

void notify(uint32_t attribute, const uint8_t *value, size_t size)
{
    for (client *c = clients; c < clients + CLIENTS; c++)
        for (unsigned i = 0; c->fd >= 0 && i < c->range_count; i++)
            if (attribute >= c->ranges[2 * i] && attribute <= c->ranges[2 * i + 1]) {
                give_message(c, make_transfer(next_request(c), OP_NOTIFY, 0, attribute, value, size));
                break;
            }
}

/* ---- what clients want ---- */

static void on_open(client *c, uint32_t answer_to, const uint8_t *bytes)
{
    parameter p[8];
    unsigned status = BAD_TLV;
    char name[64] = "";
    if (message_is(bytes, "1b2", p) || message_is(bytes, "1b2b", p)) {
        c->range_count = 0;
        snprintf(name, sizeof name, "%.*s", (int)p[1].number, (const char *)p[1].blob);
        if (p[2].number > RANGES)
            status = TOO_MANY_RANGES;
        else if (p[2].number == 0 || p[3].number == 8 * p[2].number)
            status = OK;
        if (status == OK && p[2].number > 0) {
            c->range_count = p[2].number;
            memcpy(c->ranges, p[3].blob, p[3].number);
        }
    }
    if (mis.open_status != OK)
        status = mis.open_status;
    say("open %s status %u ranges %u%s", name, status, c->range_count,
        mis.open_silent ? " (not answered)" : "");
    if (mis.open_silent)
        return;
    if (status == OK) {
        client *other = find_named(name);
        if (other != NULL && other != c)
            drop(other, "another of its name");
        memcpy(c->name, name, sizeof name);
    }
    give_message(c, make(answer_to, "1", status));
}

static void send_get(client *owner, pending *g, unsigned id)
{
    g->deadline = now_us() + TIMEOUT;
    give_message(owner, make(REQUEST | id, "142", OP_GET, g->attribute, id));
}

static void on_get(client *c, uint32_t answer_to, const uint8_t *bytes)
{
    parameter p[8];
    if (!message_is(bytes, "142", p)) {
        give_message(c, make(answer_to, "12", BAD_TLV, 0u));
        return;
    }
    client *owner = find_owner();
    unsigned status = flags_of(p[1].number) < 0 ? NOT_FOUND : owner == NULL ? NO_OWNER : OK;
    if (status != OK) {
        give_message(c, make(answer_to, "12", status, p[2].number));
    } else if (!mis.silent_gets) {
        unsigned id = next_request(owner) & LAST_ID;
        gets[id] = (pending){ .kind = GET, .client = c->id, .sequence = answer_to, .operation = p[2].number,
                              .attribute = p[1].number };
        send_get(owner, &gets[id], id);
    }
}

bool ask_owner(uint32_t attribute)
{
    client *owner = find_owner();
    if (owner == NULL)
        return false;
    unsigned id = next_request(owner) & LAST_ID;
    gets[id] = (pending){ .kind = OWN_GET, .attribute = attribute };
    send_get(owner, &gets[id], id);
    return true;
}

static void send_piece(client *owner, pending *s, unsigned operation, unsigned transaction)
{
    size_t size = s->size - s->sent < mis.piece ? s->size - s->sent : mis.piece;
    s->sequence = next_request(owner);
    give_message(owner, make(s->sequence, "122422b", OP_SET, transaction, operation, s->attribute,
                             (unsigned)s->size, (unsigned)s->sent, s->value + s->sent, size));
    s->sent += size;
}

/* Passes another client's set to the owner. */
static bool begin_set(client *owner, int kind, client *c, unsigned operation, uint32_t attribute,
                      const uint8_t *value, size_t size)
{
    for (unsigned i = 1; i < sizeof sets / sizeof sets[0]; i++) {
        if (sets[i].kind != FREE || size > sizeof sets[i].value)
            continue;
        sets[i] = (pending){ .kind = kind, .client = c == NULL ? 0 : c->id, .operation = operation,
                             .attribute = attribute, .deadline = now_us() + TIMEOUT, .size = size };
        memcpy(sets[i].value, value, size);
        send_piece(owner, &sets[i], i, 0);
        return true;
    }
    return false;
}

bool set_owner(uint32_t attribute, const uint8_t *value, size_t size)
{
    client *owner = find_owner();
    return owner != NULL && begin_set(owner, OWN_SET, NULL, 0, attribute, value, size);
}

static void answer_owners_set(client *c, uint32_t answer_to, unsigned operation, uint32_t attribute,
                              const uint8_t *value, size_t size)
{
    if (mis.sets == SETS_SILENT)
        return;
    last_transaction = last_transaction % 65535 + 1;
    give_message(c, make(answer_to, "12", mis.piece_status, last_transaction));
    if (mis.sets == SETS_HALF || mis.piece_status != OK)
        return;
    unsigned status = flags_of(attribute) < 0 ? NOT_FOUND : mis.set_status;
    if (status == OK && (flags_of(attribute) & NOTIFY) != 0)
        notify(attribute, value, size);
    give_message(c, make(0, "112", OP_SET_REPLY, status, operation));
}

static void on_set(client *c, uint32_t answer_to, const uint8_t *bytes)
{
    parameter p[8];
    if (!message_is(bytes, "122422b", p) || p[6].number != p[4].number || p[1].number != 0) {
        give_message(c, make(answer_to, "12", BAD_TLV, 0u));
        return;
    }
    unsigned operation = p[2].number;
    uint32_t attribute = p[3].number;
    client *owner = find_owner();
    if (c == owner) {
        printf("%lld set %s %u ", (long long)now_us(), c->name, attribute);
        print_hex(p[6].blob, p[6].number);
        putchar('\n');
        if (mis.set_delay == 0) {
            answer_owners_set(c, answer_to, operation, attribute, p[6].blob, p[6].number);
            return;
        }
        if (delayed.waits)
            say("nonsense %s: a set while another waits", c->name);
        delayed.waits = true;
        delayed.due = now_us() + mis.set_delay;
        delayed.client = c->id;
        delayed.sequence = answer_to;
        delayed.operation = operation;
        delayed.attribute = attribute;
        delayed.size = p[6].number;
        memcpy(delayed.value, p[6].blob, p[6].number);
        return;
    }

    int flags = flags_of(attribute);
    unsigned status = flags < 0                 ? NOT_FOUND
                      : owner == NULL           ? NO_OWNER
                      : (flags & WRITABLE) == 0 ? FORBIDDEN
                                                : OK;
    last_transaction = last_transaction % 65535 + 1;
    give_message(c, make(answer_to, "12", OK, last_transaction));
    if (status == OK && !begin_set(owner, SET, c, operation, attribute, p[6].blob, p[6].number))
        status = NO_SPACE;
    if (status != OK)
        give_message(c, make(0, "112", OP_SET_REPLY, status, operation));
}

/* ---- what the owner answers ---- */

static void end_set(pending *s, unsigned status)
{
    client *c = find_client(s->client);
    if (s->kind == OWN_SET)
        say("set reply %u %u", s->attribute, status);
    int flags = flags_of(s->attribute);
    if (status == OK && flags >= 0 && (flags & NOTIFY) != 0)
        notify(s->attribute, s->value, s->size);
    if (c != NULL)
        give_message(c, make(0, "112", OP_SET_REPLY, status, s->operation));
    s->kind = FREE;
}

static void end_get(pending *g, unsigned status, const parameter *value)
{
    client *c = find_client(g->client);
    if (g->kind == OWN_GET) {
        own_answers++;
        own_values += status == OK;
    } else if (c != NULL) {
        if (status == OK)
            give_message(c, make(g->sequence, "12b", OK, 0u, value->blob, (size_t)value->number));
        else
            give_message(c, make(g->sequence, "12", status, g->operation));
    }
    g->kind = FREE;
}

static void on_answer(client *c, unsigned id, const uint8_t *bytes)
{
    parameter p[8];
    if (c != find_owner())
        return; /* it belongs to a notification */
    if (gets[id].kind != FREE) {
        if (message_is(bytes, "12b", p) && p[0].number == OK && p[1].number == 0)
            end_get(&gets[id], OK, &p[2]);
        else if (message_is(bytes, "12", p) && p[0].number != OK)
            end_get(&gets[id], p[0].number, NULL);
        else
            say("nonsense %s: an answer to a get", c->name);
        return;
    }
    for (unsigned i = 1; i < sizeof sets / sizeof sets[0]; i++) {
        pending *s = &sets[i];
        if (s->kind == FREE || s->sequence != (REQUEST | id))
            continue;
        s->sequence = 0;
        if (!message_is(bytes, "12", p))
            say("nonsense %s: an answer to a set", c->name);
        else if (p[0].number != OK)
            end_set(s, p[0].number);
        else if (s->sent < s->size)
            send_piece(c, s, i, p[1].number);
        return;
    }
    say("unasked %s: an answer to %u", c->name, id);
}

static void on_set_reply(client *c, const uint8_t *bytes)
{
    parameter p[8];
    if (c != find_owner() || !message_is(bytes, "112", p) || p[0].number != OP_SET_REPLY)
        say("nonsense %s: unsolicited", c->name);
    else if (p[2].number >= sizeof sets / sizeof sets[0] || sets[p[2].number].kind == FREE)
        say("%s %s: a set reply for %u", p[2].number == 0 ? "good-bye" : "unasked", c->name, p[2].number);
    else
        end_set(&sets[p[2].number], p[1].number);
}

void on_message(client *c, const uint8_t *bytes)
{
    uint32_t sequence = message_sequence(bytes) & 0xffff;
    uint32_t answer_to = c->id << 16 | (sequence & LAST_ID);
    parameter p[8];
    bool is_known = message_is(bytes, "142", p) || message_is(bytes, "122422b", p) ||
                    message_is(bytes, "1b2", p) || message_is(bytes, "1b2b", p);
    int code = is_known ? (int)p[0].number : -1;
    if (sequence == 0)
        on_set_reply(c, bytes);
    else if ((sequence & REQUEST) == 0)
        on_answer(c, sequence, bytes);
    else if (code == OP_OPEN)
        on_open(c, answer_to, bytes);
    else if (code == OP_GET)
        on_get(c, answer_to, bytes);
    else if (code == OP_SET)
        on_set(c, answer_to, bytes);
    else
        say("nonsense %s: a request", c->name);
}

/* ---- time ---- */

/* Ends requests that the owner has not answered in time, and answers delayed sets. */
int64_t requests_tick(int64_t now)
{
    static int64_t looked;
    if (delayed.waits && now >= delayed.due) {
        client *c = find_client(delayed.client);
        delayed.waits = false;
        if (c != NULL)
            answer_owners_set(c, delayed.sequence, delayed.operation, delayed.attribute, delayed.value,
                              delayed.size);
    }
    if (now - looked > 100000) {
        looked = now;
        for (unsigned i = 0; i <= LAST_ID; i++)
            if (gets[i].kind != FREE && now >= gets[i].deadline) {
                say("unanswered get of %u", gets[i].attribute);
                end_get(&gets[i], TIMED_OUT, NULL);
            }
        for (unsigned i = 0; i < sizeof sets / sizeof sets[0]; i++)
            if (sets[i].kind != FREE && now >= sets[i].deadline) {
                say("unanswered set of %u", sets[i].attribute);
                end_set(&sets[i], TIMED_OUT);
            }
    }
    return delayed.waits ? delayed.due : now + 100000;
}

void forget_requests(void)
{
    memset(gets, 0, sizeof gets);
    memset(sets, 0, sizeof sets);
    delayed.waits = false;
}
