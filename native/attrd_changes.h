/*
 * What attrd is to be told: the latest value of each published attribute, and the changes that still wait to
 * be sent, in order. Pure data: no I/O, no time. attrd_publish in attrd_shim.h says what listeners see of it.
 */
#ifndef ATTRD_CHANGES_H
#define ATTRD_CHANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "attrd_shim.h"

typedef struct {
    uint8_t size;
    uint8_t bytes[ATTRD_MAX_PUBLISHED_SIZE];
} attrd_value;

typedef struct {
    uint32_t attribute;
    bool was_sent;      /* on this connection */
    attrd_value latest; /* as published */
    attrd_value sent;   /* the last one sent on this connection */
} attrd_published;

typedef struct {
    uint8_t slot;
    attrd_value value;
} attrd_change;

typedef struct {
    uint32_t slot_count;
    uint32_t waiting_count;
    attrd_published slots[ATTRD_MAX_PUBLISHED];
    attrd_change waiting[ATTRD_MAX_PENDING]; /* the first is the next to be sent */
} attrd_changes;

/* size: 0 to ATTRD_MAX_PUBLISHED_SIZE. ATTRD_OK, also for what is no change, or ATTRD_E_FULL. */
int32_t attrd_changes_put(attrd_changes *changes, uint32_t attribute, const uint8_t *bytes, uint32_t size);

/*
 * Leaves only the latest value of each attribute, at the place of its oldest: what waits longest goes first,
 * so an attribute that keeps changing holds nobody up, itself included.
 */
void attrd_changes_coalesce(attrd_changes *changes);

/* A connection was opened: every latest value waits to be sent, once, and nothing older does. */
void attrd_changes_restart(attrd_changes *changes);

/* The attribute whose value `sent` is to be sent now, or NULL if nothing waits. */
attrd_published *attrd_changes_take(attrd_changes *changes);

#endif
