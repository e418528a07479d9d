/* Functions that the shim's tests share: a handle on the network in memory, simulated time, attrd's side
   played by hand. */
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
    uint32_t read;     /* bytes read of what the shim sent */
    uint32_t connects; /* number of the connection */
    void (*on_event)(const attrd_event *event); /* a caller that acts at once, or NULL */
    seen seen[512];
} rig;

extern rig r;

/* Makes a new handle at a time that is not 0; ranges may be NULL. rig_start: for IPC.CONNMGR. */
void rig_start_as(const char *name, const uint32_t *ranges, int32_t range_count);
void rig_start(const uint32_t *ranges, int32_t range_count);

/* Ends the handle; aborts if it leaves a connection. */
void rig_stop(void);

/* Does what a caller's loop does: processes and takes every event, until nothing is ready and no deadline is
   due. */
void rig_run(void);

/* Lets time pass, from deadline to deadline. */
void rig_pass(uint64_t time);

/* Forgets the events so far. */
void rig_forget(void);

/* Expects a single event of this type since the last rig_forget, and forgets it. */
bool rig_saw(int32_t type, uint32_t attribute, int32_t status);

/* Returns the next complete message that the shim has sent, or NULL. */
const uint8_t *rig_sent(void);

/* Expects that it has sent nothing more. */
bool rig_is_silent(void);

/* Expects that the next message is exactly this one. */
bool rig_sent_is(message expected);

void rig_give(message m);

/* rig_start, then attrd accepts, up to the event. */
void rig_open(void);

/* Expects that the next message is a set of this attribute; returns its sequence number and operation. */
bool rig_sent_set(uint32_t attribute, const void *value, size_t size, uint32_t *sequence,
                  uint32_t *operation);

/* The same with a one-byte value, which attrd then confirms. */
bool rig_confirm(uint32_t attribute, unsigned value);

int32_t rig_publish(uint32_t attribute, unsigned value);

/* ---- results ---- */

extern int failed_checks;
#define CHECK(condition) ((condition) ? (void)0 : rig_not_ok(#condition, __FILE__, __LINE__))
void rig_not_ok(const char *condition, const char *file, int line);

/* Runs a test and prints `ok - ` or `not ok - `. */
void rig_test(const char *name, void (*test)(void));

/* Prints how many passed and failed; returns the exit status. */
int rig_end(void);

#endif
