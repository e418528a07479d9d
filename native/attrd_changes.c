#include "attrd_changes.h"

#include <string.h>

_Static_assert(ATTRD_MAX_PENDING > ATTRD_MAX_PUBLISHED, "a restart fits, and coalescing makes room");
_Static_assert(ATTRD_MAX_PUBLISHED_SIZE <= UINT8_MAX, "a size is kept in a byte");

static bool is_same(const attrd_value *a, const attrd_value *b)
{
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

int32_t attrd_changes_put(attrd_changes *changes, uint32_t attribute, const uint8_t *bytes, uint32_t size)
{
    attrd_value value = { .size = (uint8_t)size };
    if (size > 0)
        memcpy(value.bytes, bytes, size);

    uint32_t slot = 0;
    while (slot < changes->slot_count && changes->slots[slot].attribute != attribute)
        slot++;
    if (slot == ATTRD_MAX_PUBLISHED)
        return ATTRD_E_FULL;
    if (slot == changes->slot_count) {
        changes->slots[slot] = (attrd_published){ .attribute = attribute };
        changes->slot_count++;
    } else if (is_same(&changes->slots[slot].latest, &value)) {
        return ATTRD_OK;
    }

    if (changes->waiting_count == ATTRD_MAX_PENDING)
        attrd_changes_coalesce(changes);
    changes->slots[slot].latest = value;
    changes->waiting[changes->waiting_count++] = (attrd_change){ (uint8_t)slot, value };
    return ATTRD_OK;
}

void attrd_changes_coalesce(attrd_changes *changes)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < changes->waiting_count; i++) {
        uint32_t place = 0;
        while (place < kept && changes->waiting[place].slot != changes->waiting[i].slot)
            place++;
        changes->waiting[place] = changes->waiting[i];
        if (place == kept)
            kept++;
    }
    changes->waiting_count = kept;
}

void attrd_changes_restart(attrd_changes *changes)
{
    for (uint32_t slot = 0; slot < changes->slot_count; slot++) {
        changes->slots[slot].was_sent = false;
        changes->waiting[slot] = (attrd_change){ (uint8_t)slot, changes->slots[slot].latest };
    }
    changes->waiting_count = changes->slot_count;
}

attrd_published *attrd_changes_take(attrd_changes *changes)
{
    while (changes->waiting_count > 0) {
        attrd_change next = changes->waiting[0];
        changes->waiting_count--;
        memmove(changes->waiting, changes->waiting + 1, changes->waiting_count * sizeof next);

        /* Changes that were left out may have led back to the value that the listeners have. */
        attrd_published *slot = &changes->slots[next.slot];
        if (slot->was_sent && is_same(&slot->sent, &next.value))
            continue;
        slot->was_sent = true;
        slot->sent = next.value;
        return slot;
    }
    return NULL;
}
