/*
 * The client side of the attribute daemon's protocol, for an owner of attributes and for a listener.
 *
 * The shim never blocks, reads no clock, starts no thread, prints nothing, and allocates once, in
 * attrd_create. It is not thread-safe: one handle, one thread. The shim
 * handles every fault of attrd: it ends a connection that is lost or can no longer be trusted, and connects
 * again after 1, 2, 4 and then every 10 seconds. This sequence starts again when attrd has confirmed the open
 * and all published values.
 * To end a connection, the shim lets attrd answer what it still has to read, and waits up to 10 seconds for
 * attrd to close: attrd would die of SIGPIPE if it answered a peer that is gone. There is no new connection
 * meanwhile.
 *
 * HOW TO DRIVE IT
 *
 *     attrd_handle *attrd = attrd_create("/var/run/IPC.ATTRD", "IPC.CONNMGR", NULL, 0, now);
 *     attrd_publish(attrd, 65008, &type, 1, now);              // at any time, connected or not
 *
 *     whenever the descriptor is ready, or the deadline has come:
 *         attrd_process(attrd, now);
 *         while (attrd_next_event(attrd, now, &event))         // to the end
 *             switch (event.type) ... attrd_answer(attrd, event.token, ...)
 *
 *     after that, and after every attrd_publish and attrd_answer:
 *         attrd_get_watch(attrd, &watch);
 *         if (watch.generation != known.generation) {          // another descriptor, or none any more
 *             if (watch.fd >= 0) epoll_ctl(EPOLL_CTL_ADD, watch.fd, watch.events);
 *         } else if (watch.events != known.events) {
 *             epoll_ctl(EPOLL_CTL_MOD, watch.fd, watch.events);
 *         }
 *         arm a timer for watch.deadline_ns
 *
 * tests/attrd/owner.c is such a program.
 *
 * The shim opens and closes the descriptor (and one more for internal use). Closing removes the old one from the
 * epoll set. Never call EPOLL_CTL_DEL for it: the new descriptor may have the same number. An epoll event that
 * was fetched for the old one is harmless: attrd_process finds out itself what can be read and written.
 *
 * Times are nanoseconds of one monotonic clock (a value before the last one counts as the last one).
 * Strings are UTF-8 and end with a zero byte. The shim reads through the caller's pointers only during the call.
 */
#ifndef ATTRD_SHIM_H
#define ATTRD_SHIM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Limits. Nothing that a peer sends makes the shim use more memory than this (less than 40 KB in all). */
#define ATTRD_MAX_NAME 64           /* bytes of a client name */
#define ATTRD_MAX_RANGES 10         /* ranges to listen to; the protocol's limit */
#define ATTRD_MAX_SENT 3968         /* bytes of a value that answers a get; the protocol's limit */
#define ATTRD_MAX_RECEIVED 8192     /* bytes of a value that arrives in pieces; a longer one is refused */
#define ATTRD_MAX_PUBLISHED 16      /* attributes that attrd_publish keeps */
#define ATTRD_MAX_PUBLISHED_SIZE 64 /* bytes of each of their values */
#define ATTRD_MAX_PENDING 32        /* changes that wait for attrd, none left out */

/* What attrd_publish and attrd_answer return. */
enum {
    ATTRD_OK = 0,
    ATTRD_E_INVALID = -1, /* an argument outside its range; nothing was done */
    ATTRD_E_FULL = -2,    /* ATTRD_MAX_PUBLISHED other attributes have been published */
    ATTRD_E_STALE = -3,   /* the connection that asked is gone; nothing is left to do */
    ATTRD_E_AGAIN = -4    /* no room now: answer again after the next attrd_process */
};

/* The protocol's status codes that a caller needs; any other from 0 to 255 may be sent or received. */
enum {
    ATTRD_STATUS_OK = 0,
    ATTRD_STATUS_UNSPECIFIED = 1,
    ATTRD_STATUS_NO_SPACE = 5,
    ATTRD_STATUS_BAD_DATA = 6,
    ATTRD_STATUS_FORBIDDEN = 10,
    ATTRD_STATUS_NOT_FOUND = 12,
    ATTRD_STATUS_TIMEOUT = 14,
    ATTRD_STATUS_SET_REJECTED = 15,
    ATTRD_STATUS_NOT_IMPLEMENTED = 16
};

/* attrd_event.type */
enum {
    ATTRD_EVENT_NONE = 0,
    ATTRD_EVENT_OPEN,   /* attrd has accepted the client; every published value is being sent */
    ATTRD_EVENT_CLOSED, /* there is no connection: status is an ATTRD_CLOSED_*, attribute its detail */
    ATTRD_EVENT_GET,    /* a client asks for an attribute: answer with its value, or ATTRD_STATUS_NOT_FOUND */
    ATTRD_EVENT_SET,    /* a client sets an attribute to value: answer with a status */
    ATTRD_EVENT_NOTIFY, /* an attribute that we listen to has changed to value: no answer */
    ATTRD_EVENT_REFUSED /* attrd refused a published value with status. The attribute is sent again
                           when it changes, or over a new connection */
};

/* Why there is no connection (attrd_event.status), and what attrd_event.attribute says about it. */
enum {
    ATTRD_CLOSED_CONNECT = 1, /* attrd cannot be reached; errno of socket or connect */
    ATTRD_CLOSED_UNANSWERED,  /* no answer to the open within 1 s; 0 */
    ATTRD_CLOSED_REFUSED,     /* the open was refused; attrd's status */
    ATTRD_CLOSED_BY_PEER,     /* attrd closed; 0 */
    ATTRD_CLOSED_FAILED,      /* the socket failed; errno */
    ATTRD_CLOSED_NONSENSE,    /* a length that no message has, so the next message cannot be found; the length */
    ATTRD_CLOSED_SILENT       /* a published value was not confirmed within 5 s; the attribute */
};

/* attrd_watch.state */
enum {
    ATTRD_STATE_WAITING = 0, /* no connection; attrd_process makes one at the deadline */
    ATTRD_STATE_OPENING,     /* connected, the open is not answered yet */
    ATTRD_STATE_OPEN,        /* accepted */
    ATTRD_STATE_LEAVING      /* ended by the shim; attrd has not closed its side yet */
};

/* attrd_watch.events: values of EPOLLIN and EPOLLOUT. */
#define ATTRD_READABLE 0x1u
#define ATTRD_WRITABLE 0x4u

#define ATTRD_NO_DEADLINE UINT64_MAX

typedef struct attrd_handle attrd_handle;

/* 32 bytes on every architecture. */
typedef struct {
    uint64_t token;       /* GET, SET: for attrd_answer */
    uint32_t attribute;   /* GET, SET, NOTIFY, REFUSED: the attribute id; CLOSED: the detail */
    int32_t type;         /* ATTRD_EVENT_* */
    int32_t status;       /* CLOSED: ATTRD_CLOSED_*; REFUSED: attrd's status, 0 to 255; otherwise 0 */
    int32_t length;       /* SET, NOTIFY: bytes at value, 0 to ATTRD_MAX_RECEIVED; otherwise 0 */
    const uint8_t *value; /* SET, NOTIFY: read it before the next attrd_process, _next_event or _destroy */
} attrd_event;

/* 24 bytes on every architecture. */
typedef struct {
    uint64_t deadline_ns; /* call attrd_process then, at the latest; may be past; or ATTRD_NO_DEADLINE */
    uint32_t generation;  /* a new number means a new descriptor, or none any more, even if fd is the same */
    int32_t fd;           /* the descriptor to watch; -1: none */
    uint32_t events;      /* ATTRD_READABLE | ATTRD_WRITABLE, level-triggered; may be 0 */
    int32_t state;        /* ATTRD_STATE_* */
} attrd_watch;

/*
 * Makes a handle and does no I/O; the first attrd_process connects, and its time is now.
 * path: of attrd's socket, 1 to 107 bytes. name: 1 to ATTRD_MAX_NAME bytes; it decides which attributes the client owns.
 * ranges: range_count (0 to ATTRD_MAX_RANGES) pairs of first and last attribute id to listen to; may be NULL
 * for none.
 * NULL: an argument is out of range, or there is no memory.
 */
attrd_handle *attrd_create(const char *path, const char *name, const uint32_t *ranges, int32_t range_count,
                           uint64_t now_ns);

/* Ends the connection and frees the handle, without waiting; attrd is not harmed. NULL is allowed. */
void attrd_destroy(attrd_handle *handle);

/* Connects if that is due, reads once, and writes what can be written. The work is bounded. Then call attrd_next_event. */
void attrd_process(attrd_handle *handle, uint64_t now_ns);

/*
 * The next event: 1 with *event filled in, or 0 if there is none (type ATTRD_EVENT_NONE). After
 * attrd_process, call it until it says 0; that ends after at most a few hundred events. A get or a set is
 * only handed out when there is room for its answer; until then the shim stops reading, so that requests that come too fast wait in attrd and
 * not in memory.
 */
int32_t attrd_next_event(attrd_handle *handle, uint64_t now_ns, attrd_event *event);

/* Returns what to wait for. Call it again after every other call. */
void attrd_get_watch(const attrd_handle *handle, attrd_watch *watch);

/*
 * Sets the value of one of the client's notify attributes: length 0 to ATTRD_MAX_PUBLISHED_SIZE bytes. Only a
 * change is sent, so the caller may repeat the same value. May be called at any time; without a connection the
 * value is only stored.
 * ATTRD_OK, ATTRD_E_INVALID, ATTRD_E_FULL.
 *
 * What the listeners see:
 * - After every (re)connection, the latest value of each attribute, once, in the order of first publication.
 * - While attrd answers each value within 50 ms and no more than ATTRD_MAX_PENDING changes wait: every
 *   change, once, in the order of the calls, across all attributes, even if an attribute changes several
 *   times between two answers.
 * - Otherwise (attrd is slow, or there are too many changes): the older of an attribute's waiting values are
 *   left out, the latest takes the place of the oldest. So intermediate values may be missing, and a value
 *   may come before a change of another attribute that happened earlier; but no attribute waits behind
 *   another that keeps changing, and the last value that a listener sees of each attribute is the latest.
 * - Never the same value of an attribute twice running within one connection. An attribute that went away
 *   from the value last sent and came back while its changes were left out is not sent at all.
 * The shim sends one value at a time, and waits for attrd's set reply.
 */
int32_t attrd_publish(attrd_handle *handle, uint32_t attribute, const uint8_t *value, int32_t length,
                      uint64_t now_ns);

/*
 * Answers a get or a set, once. status: 0 to 255. For a get with status 0, value has length bytes, 0 to
 * ATTRD_MAX_SENT; otherwise value and length are ignored. attrd waits 5 s for it. There is always room for
 * an answer that is given before the next call; a later one may have to wait (ATTRD_E_AGAIN).
 * attrd itself notifies the listeners of a notify attribute that was set with status 0.
 * ATTRD_OK, ATTRD_E_INVALID, ATTRD_E_STALE, ATTRD_E_AGAIN.
 */
int32_t attrd_answer(attrd_handle *handle, uint64_t token, int32_t status, const uint8_t *value,
                     int32_t length);

#ifdef __cplusplus
}
#endif

#endif
