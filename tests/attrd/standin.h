/* A stand-in for attrd. standin.c describes it, misbehave.c lists its commands. */
#ifndef STANDIN_H
#define STANDIN_H

#include "wire.h"

#define CLIENTS 16
#define OUT_ROOM 1048576u
#define RANGES 10

typedef struct {
    int fd; /* -1: a free place */
    unsigned id;
    char name[64]; /* empty until it has opened */
    unsigned range_count;
    uint32_t ranges[2 * RANGES];
    unsigned last_request;
    uint8_t *out; /* bytes still to be written */
    size_t out_size;
} client;

/* How the stand-in deviates from attrd. */
typedef struct {
    bool open_silent;
    unsigned open_status;
    enum { SETS_ANSWERED, SETS_HALF, SETS_SILENT } sets; /* the owner's: half is without the set reply */
    unsigned set_status;   /* in the set reply */
    unsigned piece_status; /* in the answer to the piece */
    int64_t set_delay;     /* us */
    bool hangs;            /* reads and writes nothing but its control */
    bool silent_gets;      /* gets of other clients are not passed on */
    size_t chunk;          /* bytes for one send to the owner; 0: all */
    int64_t bytes_left;    /* to be sent to the owner before its connection is closed; -1: no end */
    size_t piece;          /* longest piece of a set that goes to the owner */
} misbehaviour;

extern misbehaviour mis;
extern client clients[CLIENTS];
extern const char *owner_name;

/* Prints a line with the time. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

bool start_listening(void);
void stop_listening(void);

client *find_client(unsigned id);
client *find_named(const char *name);
client *find_owner(void);
void drop(client *c, const char *why);

/* Sends bytes or a message to a client; drops it if it has left a megabyte unread. */
void give(client *c, const void *bytes, size_t size);
void give_message(client *c, message m);

/* ---- routing.c ---- */

/* Handles a whole message; may drop clients. */
void on_message(client *c, const uint8_t *bytes);

/* Ends requests that the owner has not answered within 5 s. Returns when to call again. */
int64_t requests_tick(int64_t now);
void forget_requests(void);

/* Asks the owner on behalf of the stand-in itself. False if there is no owner. */
bool ask_owner(uint32_t attribute);
bool set_owner(uint32_t attribute, const uint8_t *value, size_t size);

/* How many of our own gets were answered, and how many with a value. */
extern unsigned own_answers, own_values;

/* Notifies all listeners. */
void notify(uint32_t attribute, const uint8_t *value, size_t size);

/* ---- misbehave.c ---- */

/* The control: a FIFO whose lines are commands. */
int control_open(const char *path);
void control_read(int fd);
void control_command(char *line);

/* Does what is due by time; returns when to call again, or INT64_MAX. */
int64_t control_tick(int64_t now);

#endif
