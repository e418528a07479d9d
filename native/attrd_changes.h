/*
 * The values to send to attrd: the latest value of each published attribute, and the changes that still wait
 * to be sent, in order. Pure data: no I/O, no time. attrd_publish in attrd_shim.h describes what listeners see.
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

/* size: 0 to ATTRD_MAX_PUBLISHED_SIZE. Returns ATTRD_OK, also if the value has not changed, or ATTRD_E_FULL. */
int32_t attrd_changes_put(attrd_changes *changes, uint32_t attribute, const uint8_t *bytes, uint32_t size);

/*
 * Keeps only the latest value of each attribute, at the place of its oldest waiting one. The attribute that has
 * waited longest is sent first, so one that keeps changing delays neither the others nor itself.
 */
void attrd_changes_coalesce(attrd_changes *changes);

/* Call it when a connection was opened: every latest value waits to be sent, once, and no older value does. */
void attrd_changes_restart(attrd_changes *changes);

/* Returns the attribute whose value `sent` must be sent now, or NULL if none waits. */
attrd_published *attrd_changes_take(attrd_changes *changes);

#endif
