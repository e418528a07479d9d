/*
 * Values that arrive in pieces: a bounded number at a time, each of bounded size; a value is dropped if its
 * next piece does not arrive in time. Pure data: no I/O; the caller passes the time. The statuses are those that
 * the protocol requires of the receiver of a piece.
 */
#ifndef ATTRD_TRANSFERS_H
#define ATTRD_TRANSFERS_H

#include "attrd_shim.h"
#include "attrd_wire.h"

#define ATTRD_MAX_TRANSFERS 2u

/* One message's parameters: a piece of a value. */
typedef struct {
    uint8_t code;         /* WIRE_SET or WIRE_NOTIFY */
    uint16_t transaction; /* 0 in the first piece, then as answered to it */
    uint16_t operation;
    uint16_t size;        /* of the whole value */
    uint16_t position;    /* of the piece in it */
    uint32_t attribute;
    uint32_t piece_size;
    const uint8_t *piece;
} attrd_piece;

typedef struct {
    attrd_piece expected; /* the next piece; its transaction is 0 if the place is free */
    uint64_t deadline;
    uint8_t value[ATTRD_MAX_RECEIVED];
} attrd_transfer;

typedef struct {
    uint16_t last_transaction;
    attrd_transfer places[ATTRD_MAX_TRANSFERS];
} attrd_transfers;

/* Reads what follows the code. False: malformed. */
bool attrd_piece_read(attrd_piece *piece, uint8_t code, wire_reader *body);

/*
 * Adds a piece. Returns a status, and with status 0 the transaction for the sender's next piece. *value is the
 * whole value after the last piece, else NULL; it stays valid until the next piece is added or the message is
 * dropped.
 */
uint8_t attrd_transfers_take(attrd_transfers *transfers, const attrd_piece *piece, uint64_t deadline,
                             uint16_t *transaction, const uint8_t **value);

/* Drops the transfers whose next piece is overdue; all of them if now is UINT64_MAX. */
void attrd_transfers_expire(attrd_transfers *transfers, uint64_t now);

/* Returns when the first transfer is overdue, or ATTRD_NO_DEADLINE. */
uint64_t attrd_transfers_deadline(const attrd_transfers *transfers);

#endif
