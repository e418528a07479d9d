/* What the shim's tests share: a handle on the network in memory, simulated time, attrd's side by hand. */
#ifndef RIG_H
#define RIG_H

#include "../../native/attrd_shim.h"
#define SEAM_ITSELF
#include "seam.h"
#include "wire.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)

/* An event with its value kept. */
typedef struct {
    attrd_event event;
    uint8_t value[ATTRD_MAX_RECEIVED];
} seen;

typedef struct {
    attrd_handle *shim;
    uint64_t now;
    attrd_watch watch;
    uint32_t seen_count; /* events since the last rig_forget */
    uint32_t read;     /* of what the shim sent */
    uint32_t connects; /* in which connection */
    void (*on_event)(const attrd_event *event); /* a caller that acts at once, or NULL */
    seen seen[512];
} rig;

extern rig r;

/* A new handle at a time that is not 0; ranges may be NULL. rig_start: of IPC.CONNMGR. */
void rig_start_as(const char *name, const uint32_t *ranges, int32_t range_count);
void rig_start(const uint32_t *ranges, int32_t range_count);

/* Ends the handle; abort if it leaves a connection. */
void rig_stop(void);

/* As a caller's loop does: process and take every event, until nothing is ready and no deadline has come. */
void rig_run(void);

/* Lets time pass, from deadline to deadline. */
void rig_pass(uint64_t time);

/* Forgets the events so far. */
void rig_forget(void);

/* The single event since the last rig_forget is of this type; then it is forgotten. */
bool rig_saw(int32_t type, uint32_t attribute, int32_t status);

/* The next message that the shim has sent, in full, or NULL. */
const uint8_t *rig_sent(void);

/* It has sent nothing more. */
bool rig_is_silent(void);

/* The next message sent is exactly this one. */
bool rig_sent_is(message expected);

void rig_give(message m);

/* rig_start, then attrd accepts: everything up to the event is over. */
void rig_open(void);

/* The next message sent is a set of this attribute; gives its sequence number and operation. */
bool rig_sent_set(uint32_t attribute, const void *value, size_t size, uint32_t *sequence,
                  uint32_t *operation);

/* As before with a one-byte value; and attrd confirms. */
bool rig_confirm(uint32_t attribute, unsigned value);

int32_t rig_publish(uint32_t attribute, unsigned value);

/* ---- results ---- */

extern int failed_checks;
#define CHECK(condition) ((condition) ? (void)0 : rig_not_ok(#condition, __FILE__, __LINE__))
void rig_not_ok(const char *condition, const char *file, int line);

/* Runs a test and says `ok - ` or `not ok - `. */
void rig_test(const char *name, void (*test)(void));

/* Says how many passed and failed: the exit status. */
int rig_end(void);

#endif
