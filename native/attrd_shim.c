/* The protocol's states. attrd_stream.h transfers the bytes, attrd_changes.h has the values to send. */
#include "attrd_shim.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "attrd_changes.h"
#include "attrd_stream.h"
#include "attrd_transfers.h"

#define MS UINT64_C(1000000)
#define OPEN_TIMEOUT (1000 * MS)
#define SET_TIMEOUT (5000 * MS)
#define LEAVE_TIMEOUT (10000 * MS) /* for attrd to close a connection that the shim has ended */
#define PIECE_TIMEOUT (5000 * MS) /* between two pieces of a value */
#define SLOW_ANSWER (50 * MS)     /* if attrd takes longer, intermediate values are left out */
#define ROOM_AROUND_VALUE 64u     /* more than the header and parameters of any message */

struct attrd_handle {
    struct sockaddr_un address;
    char name[ATTRD_MAX_NAME + 1];
    uint32_t ranges[2 * ATTRD_MAX_RANGES];
    uint32_t range_count;

    uint64_t now;
    int32_t state;
    uint32_t generation;
    uint32_t failures;      /* since attrd last confirmed all that was sent; counts up to the longest wait */
    uint64_t deadline;      /* WAITING: to connect; OPENING: for the answer; LEAVING: to close */
    uint64_t reconnect;     /* LEAVING: the earliest time for the next connection */
    int32_t closed;         /* ATTRD_CLOSED_* that the caller does not know yet, or 0 */
    uint32_t closed_detail;

    uint32_t last_id;       /* of our requests */
    uint32_t awaited_id;    /* the request whose answer is awaited, or 0 */

    attrd_changes changes;
    attrd_published *under_way; /* its value is being set, or NULL */
    uint64_t set_began;
    uint16_t last_operation;    /* the set's, while one is under way */

    attrd_transfers transfers;
    attrd_stream stream;    /* has a descriptor exactly while state is not WAITING */
};

_Static_assert(sizeof(attrd_handle) < 40 * 1024, "what the header promises");
_Static_assert(sizeof(attrd_event) == 32, "the same on every architecture");
_Static_assert(sizeof(attrd_watch) == 24, "the same on every architecture");
_Static_assert(ATTRD_MAX_SENT == WIRE_PIECE_MAX, "one message holds what the header promises");
_Static_assert(ATTRD_MAX_SENT + ROOM_AROUND_VALUE <= WIRE_MESSAGE_MAX, "an answer fits what is kept free");
_Static_assert(ATTRD_MAX_PUBLISHED_SIZE + ROOM_AROUND_VALUE <= STREAM_REQUEST_MAX, "and a published value");

static void tell_time(attrd_handle *handle, uint64_t now)
{
    if (now > handle->now)
        handle->now = now;
}

static uint64_t after(uint64_t time, uint64_t wait)
{
    return time > UINT64_MAX - wait ? UINT64_MAX : time + wait;
}

/* ---- the connection ---- */

static bool is_connected(const attrd_handle *handle)
{
    return handle->state == ATTRD_STATE_OPENING || handle->state == ATTRD_STATE_OPEN;
}

static void disconnect(attrd_handle *handle)
{
    if (handle->stream.fd >= 0)
        handle->generation++;
    attrd_stream_close(&handle->stream);
    handle->state = ATTRD_STATE_WAITING;
    handle->deadline = handle->reconnect;
}

/* Drops all state of the connection and plans the next one. Closes at once only if attrd has closed. */
static void lose(attrd_handle *handle, int32_t reason, uint32_t detail)
{
    static const uint8_t seconds[] = { 1, 2, 4, 10 };

    attrd_transfers_expire(&handle->transfers, UINT64_MAX);
    handle->awaited_id = 0;
    handle->under_way = NULL;
    handle->reconnect = after(handle->now, seconds[handle->failures] * 1000 * MS);
    if (handle->failures + 1 < sizeof seconds)
        handle->failures++;
    if (handle->stream.fd < 0 || reason == ATTRD_CLOSED_BY_PEER) {
        disconnect(handle);
    } else {
        attrd_stream_leave(&handle->stream);
        handle->state = ATTRD_STATE_LEAVING;
        handle->deadline = after(handle->now, LEAVE_TIMEOUT);
    }
    handle->closed = reason;
    handle->closed_detail = detail;
}

static void lose_if(attrd_handle *handle, int result)
{
    if (result == STREAM_ENDED)
        lose(handle, ATTRD_CLOSED_BY_PEER, 0);
    else if (result != STREAM_FINE)
        lose(handle, ATTRD_CLOSED_FAILED, (uint32_t)result);
}

static void end_message(attrd_handle *handle, wire_writer *message, uint32_t sequence)
{
    attrd_stream_end(&handle->stream, message, sequence);
    lose_if(handle, attrd_stream_flush(&handle->stream));
}

static void end_request(attrd_handle *handle, wire_writer *message)
{
    handle->last_id = handle->last_id % WIRE_ID_MAX + 1;
    handle->awaited_id = handle->last_id;
    end_message(handle, message, WIRE_NEW_REQUEST | handle->last_id);
}

static void connect_and_open(attrd_handle *handle)
{
    int error = attrd_stream_connect(&handle->stream, &handle->address);
    if (error != 0) {
        lose(handle, ATTRD_CLOSED_CONNECT, (uint32_t)error);
        return;
    }
    handle->generation++;
    handle->state = ATTRD_STATE_OPENING;
    handle->deadline = after(handle->now, OPEN_TIMEOUT);
    handle->last_id = 0;

    wire_writer message = attrd_stream_begin(&handle->stream);
    wire_put_u8(&message, WIRE_OPEN);
    wire_put_blob(&message, handle->name, (uint32_t)strlen(handle->name));
    wire_put_u16(&message, handle->range_count);
    if (handle->range_count > 0)
        wire_put_blob(&message, handle->ranges, handle->range_count * 2 * (uint32_t)sizeof handle->ranges[0]);
    end_request(handle, &message);
}

/* Ends what is overdue. Call it only after all received messages were taken, because those arrived in time. */
static void expire(attrd_handle *handle)
{
    if (handle->state == ATTRD_STATE_OPENING && handle->now >= handle->deadline)
        lose(handle, ATTRD_CLOSED_UNANSWERED, 0);
    else if (handle->under_way != NULL && handle->now >= after(handle->set_began, SET_TIMEOUT))
        lose(handle, ATTRD_CLOSED_SILENT, handle->under_way->attribute);
    attrd_transfers_expire(&handle->transfers, handle->now);
}

/* ---- published values ---- */

/* Sends the next change if none is under way. */
static void send_change(attrd_handle *handle)
{
    if (handle->state != ATTRD_STATE_OPEN || handle->under_way != NULL ||
        !attrd_stream_has_room(&handle->stream, STREAM_REQUEST_MAX))
        return;
    attrd_published *change = attrd_changes_take(&handle->changes);
    if (change == NULL) {
        handle->failures = 0; /* attrd has accepted the open, and confirmed all values */
        return;
    }

    handle->under_way = change;
    handle->set_began = handle->now;
    if (++handle->last_operation == 0)
        handle->last_operation = 1;

    wire_writer message = attrd_stream_begin(&handle->stream);
    wire_put_u8(&message, WIRE_SET);
    wire_put_u16(&message, 0);
    wire_put_u16(&message, handle->last_operation);
    wire_put_u32(&message, change->attribute);
    wire_put_u16(&message, change->sent.size);
    wire_put_u16(&message, 0);
    wire_put_blob(&message, change->sent.bytes, change->sent.size);
    end_request(handle, &message);
}

static bool on_set_done(attrd_handle *handle, uint8_t status, attrd_event *event)
{
    if (status != ATTRD_STATUS_OK) {
        event->type = ATTRD_EVENT_REFUSED;
        event->attribute = handle->under_way->attribute;
        event->status = status;
        handle->under_way->was_sent = false;
    }
    handle->under_way = NULL;
    handle->awaited_id = 0;
    if (handle->now - handle->set_began > SLOW_ANSWER)
        attrd_changes_coalesce(&handle->changes);
    send_change(handle);
    return status != ATTRD_STATUS_OK;
}

static bool on_set_reply(attrd_handle *handle, wire_reader *body, attrd_event *event)
{
    uint8_t status = wire_take_u8(body);
    uint16_t operation = wire_take_u16(body);
    return wire_is_done(body) && handle->under_way != NULL && operation == handle->last_operation &&
           on_set_done(handle, status, event);
}

/* An answer to our open, or to the piece with a published value, where 0 only means that the set reply follows. */
static bool on_answer(attrd_handle *handle, uint32_t id, uint8_t status, attrd_event *event)
{
    if (id != handle->awaited_id)
        return false;
    handle->awaited_id = 0;
    if (handle->state == ATTRD_STATE_OPEN)
        return status != ATTRD_STATUS_OK && on_set_done(handle, status, event);
    if (status != ATTRD_STATUS_OK) {
        lose(handle, ATTRD_CLOSED_REFUSED, status);
        return false;
    }

    handle->state = ATTRD_STATE_OPEN;
    attrd_changes_restart(&handle->changes);
    send_change(handle);
    event->type = ATTRD_EVENT_OPEN;
    return true;
}

/* ---- requests of other clients ---- */

/* The answer to a piece, or to a request that failed. */
static void answer(attrd_handle *handle, uint32_t id, uint8_t status, uint16_t number)
{
    wire_writer message = attrd_stream_begin(&handle->stream);
    wire_put_u8(&message, status);
    wire_put_u16(&message, number);
    end_message(handle, &message, id);
}

/* Names the connection, the request to answer (0 for a set, whose reply is unsolicited) and the operation. */
static uint64_t make_token(const attrd_handle *handle, uint32_t id, uint16_t operation)
{
    return (uint64_t)handle->generation << 32 | id << 16 | operation;
}

static bool on_get(attrd_handle *handle, uint32_t id, wire_reader *body, attrd_event *event)
{
    uint32_t attribute = wire_take_u32(body);
    uint16_t operation = wire_take_u16(body);
    if (!wire_is_done(body)) {
        answer(handle, id, WIRE_BAD_TLV, 0);
        return false;
    }
    event->type = ATTRD_EVENT_GET;
    event->attribute = attribute;
    event->token = make_token(handle, id, operation);
    return true;
}

/* A piece of a value that another client sets, or of a notification. */
static bool on_piece(attrd_handle *handle, uint32_t id, uint8_t code, wire_reader *body, attrd_event *event)
{
    attrd_piece piece;
    const uint8_t *value = NULL;
    uint16_t transaction = 0;
    uint8_t status = WIRE_BAD_TLV;
    if (attrd_piece_read(&piece, code, body)) {
        uint64_t deadline = after(handle->now, PIECE_TIMEOUT);
        status = attrd_transfers_take(&handle->transfers, &piece, deadline, &transaction, &value);
    }
    if (value != NULL) {
        event->type = code == WIRE_SET ? ATTRD_EVENT_SET : ATTRD_EVENT_NOTIFY;
        event->token = code == WIRE_SET ? make_token(handle, 0, piece.operation) : 0;
        event->attribute = piece.attribute;
        event->length = piece.size;
        event->value = value;
    }
    answer(handle, id, status, status == ATTRD_STATUS_OK ? transaction : 0);
    return value != NULL;
}

/* True if the message became an event. Malformed and unknown requests are answered with an error; all else is dropped. */
static bool on_message(attrd_handle *handle, const uint8_t *message, uint32_t size, attrd_event *event)
{
    uint32_t sequence = wire_sequence(message);
    uint32_t id = sequence & WIRE_ID_MAX;
    bool is_request = id != 0 && (sequence & WIRE_NEW_REQUEST) != 0;
    wire_reader body = wire_body(message, size);
    uint8_t code = wire_take_u8(&body); /* of an answer, the status */

    if (!body.ok) {
        if (is_request)
            answer(handle, id, WIRE_BAD_TLV, 0);
        return false;
    }
    if (id == 0)
        return code == WIRE_SET_REPLY && on_set_reply(handle, &body, event);
    if (!is_request)
        return on_answer(handle, id, code, event);
    switch (code) {
    case WIRE_GET:
        return on_get(handle, id, &body, event);
    case WIRE_SET:
    case WIRE_NOTIFY:
        return on_piece(handle, id, code, &body, event);
    default:
        answer(handle, id, ATTRD_STATUS_NOT_IMPLEMENTED, 0);
        return false;
    }
}

/* ---- the interface ---- */

attrd_handle *attrd_create(const char *path, const char *name, const uint32_t *ranges, int32_t range_count,
                           uint64_t now_ns)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (path == NULL || path[0] == '\0' || strlen(path) >= sizeof address.sun_path)
        return NULL;
    if (name == NULL || name[0] == '\0' || strlen(name) > ATTRD_MAX_NAME)
        return NULL;
    if (range_count < 0 || range_count > ATTRD_MAX_RANGES || (ranges == NULL && range_count > 0))
        return NULL;
    attrd_handle *handle = calloc(1, sizeof *handle);
    if (handle == NULL)
        return NULL;

    memcpy(address.sun_path, path, strlen(path));
    handle->address = address;
    memcpy(handle->name, name, strlen(name));
    handle->range_count = (uint32_t)range_count;
    if (range_count > 0)
        memcpy(handle->ranges, ranges, handle->range_count * 2 * sizeof ranges[0]);
    handle->now = handle->deadline = now_ns;
    attrd_stream_init(&handle->stream);
    return handle;
}

void attrd_destroy(attrd_handle *handle)
{
    if (handle != NULL) {
        if (is_connected(handle))
            attrd_stream_leave(&handle->stream);
        attrd_stream_close(&handle->stream);
    }
    free(handle);
}

void attrd_process(attrd_handle *handle, uint64_t now_ns)
{
    tell_time(handle, now_ns);
    if (handle->state == ATTRD_STATE_LEAVING &&
        (attrd_stream_drain(&handle->stream) != STREAM_FINE || handle->now >= handle->deadline))
        disconnect(handle);
    if (handle->state == ATTRD_STATE_WAITING && handle->now >= handle->deadline) {
        connect_and_open(handle);
        return;
    }
    if (!is_connected(handle))
        return;

    lose_if(handle, attrd_stream_receive(&handle->stream));
    lose_if(handle, attrd_stream_flush(&handle->stream));
    send_change(handle);
}

int32_t attrd_next_event(attrd_handle *handle, uint64_t now_ns, attrd_event *event)
{
    tell_time(handle, now_ns);
    memset(event, 0, sizeof *event);

    while (handle->closed == 0 && attrd_stream_has_message(&handle->stream)) {
        uint32_t size;
        const uint8_t *message = attrd_stream_take(&handle->stream, &size);
        if (wire_is_nonsense(size))
            lose(handle, ATTRD_CLOSED_NONSENSE, size);
        else if (on_message(handle, message, size, event))
            return 1;
    }

    if (handle->closed == 0)
        expire(handle);
    if (handle->closed == 0)
        return 0;
    event->type = ATTRD_EVENT_CLOSED;
    event->status = handle->closed;
    event->attribute = handle->closed_detail;
    handle->closed = 0;
    return 1;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void attrd_get_watch(const attrd_handle *handle, attrd_watch *watch)
{
    uint64_t deadline = attrd_transfers_deadline(&handle->transfers);
    if (handle->state != ATTRD_STATE_OPEN)
        deadline = earlier(deadline, handle->deadline);
    if (handle->under_way != NULL)
        deadline = earlier(deadline, after(handle->set_began, SET_TIMEOUT));

    /* There is an event already, after a send that failed or an answer that was given late. */
    if (handle->closed != 0 || attrd_stream_has_message(&handle->stream))
        deadline = handle->now;

    watch->deadline_ns = deadline;
    watch->generation = handle->generation;
    watch->fd = handle->stream.fd;
    watch->events = attrd_stream_events(&handle->stream);
    watch->state = handle->state;
}

int32_t attrd_publish(attrd_handle *handle, uint32_t attribute, const uint8_t *value, int32_t length,
                      uint64_t now_ns)
{
    if (length < 0 || length > ATTRD_MAX_PUBLISHED_SIZE || (value == NULL && length > 0))
        return ATTRD_E_INVALID;
    tell_time(handle, now_ns);
    int32_t result = attrd_changes_put(&handle->changes, attribute, value, (uint32_t)length);
    send_change(handle);
    return result;
}

int32_t attrd_answer(attrd_handle *handle, uint64_t token, int32_t status, const uint8_t *value,
                     int32_t length)
{
    uint32_t id = (uint32_t)(token >> 16) & WIRE_ID_MAX;
    uint16_t operation = (uint16_t)token;
    bool has_value = id != 0 && status == ATTRD_STATUS_OK;
    if (status < 0 || status > UINT8_MAX ||
        (has_value && (length < 0 || length > ATTRD_MAX_SENT || (value == NULL && length > 0))))
        return ATTRD_E_INVALID;
    if (!is_connected(handle) || token >> 32 != handle->generation)
        return ATTRD_E_STALE;
    if (!attrd_stream_has_room(&handle->stream, (has_value ? (uint32_t)length : 0) + ROOM_AROUND_VALUE))
        return ATTRD_E_AGAIN;

    if (id != 0 && !has_value) {
        answer(handle, id, (uint8_t)status, operation);
        return ATTRD_OK;
    }
    wire_writer message = attrd_stream_begin(&handle->stream);
    if (has_value) {
        wire_put_u8(&message, ATTRD_STATUS_OK);
        wire_put_u16(&message, 0);
        wire_put_blob(&message, value, (uint32_t)length);
    } else {
        wire_put_u8(&message, WIRE_SET_REPLY);
        wire_put_u8(&message, (uint32_t)status);
        wire_put_u16(&message, operation);
    }
    end_message(handle, &message, id);
    return ATTRD_OK;
}
