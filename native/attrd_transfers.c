#include "attrd_transfers.h"

bool attrd_piece_read(attrd_piece *piece, uint8_t code, wire_reader *body)
{
    piece->code = code;
    piece->transaction = wire_take_u16(body);
    piece->operation = wire_take_u16(body);
    piece->attribute = wire_take_u32(body);
    piece->size = wire_take_u16(body);
    piece->position = wire_take_u16(body);
    piece->piece = wire_take_blob(body, &piece->piece_size);
    return wire_is_done(body);
}

/* Transaction 0 matches a free place. */
static attrd_transfer *find(attrd_transfers *transfers, uint16_t transaction)
{
    for (uint32_t i = 0; i < ATTRD_MAX_TRANSFERS; i++)
        if (transfers->places[i].expected.transaction == transaction)
            return &transfers->places[i];
    return NULL;
}

static uint8_t begin(attrd_transfers *transfers, const attrd_piece *piece, attrd_transfer **transfer)
{
    if (piece->size > ATTRD_MAX_RECEIVED)
        return ATTRD_STATUS_NO_SPACE;
    *transfer = find(transfers, 0);
    if (*transfer == NULL)
        return WIRE_TOO_MANY_TRANSACTIONS;
    (*transfer)->expected = *piece;
    (*transfer)->expected.transaction = transfers->last_transaction;
    return ATTRD_STATUS_OK;
}

static bool fits(const attrd_piece *piece, const attrd_piece *expected)
{
    return piece->code == expected->code && piece->operation == expected->operation &&
           piece->attribute == expected->attribute && piece->size == expected->size &&
           piece->position == expected->position && piece->piece_size > 0 &&
           piece->piece_size <= (uint32_t)(expected->size - expected->position);
}

static uint8_t append(attrd_transfer *transfer, const attrd_piece *piece, uint64_t deadline,
                      const uint8_t **value)
{
    attrd_piece *expected = &transfer->expected;
    if (!fits(piece, expected)) {
        expected->transaction = 0;
        return ATTRD_STATUS_BAD_DATA;
    }

    memcpy(transfer->value + piece->position, piece->piece, piece->piece_size);
    expected->position = (uint16_t)(piece->position + piece->piece_size);
    transfer->deadline = deadline;
    if (expected->position == expected->size) {
        expected->transaction = 0;
        *value = transfer->value;
    }
    return ATTRD_STATUS_OK;
}

uint8_t attrd_transfers_take(attrd_transfers *transfers, const attrd_piece *piece, uint64_t deadline,
                             uint16_t *transaction, const uint8_t **value)
{
    *value = NULL;
    attrd_transfer *transfer;
    if (piece->transaction == 0) {
        if (piece->position != 0)
            return ATTRD_STATUS_BAD_DATA;
        if (++transfers->last_transaction == 0)
            transfers->last_transaction = 1;
        *transaction = transfers->last_transaction;
        if (piece->piece_size == piece->size) {
            *value = piece->piece;
            return ATTRD_STATUS_OK;
        }
        uint8_t status = begin(transfers, piece, &transfer);
        if (status != ATTRD_STATUS_OK)
            return status;
    } else {
        transfer = find(transfers, piece->transaction);
        if (transfer == NULL)
            return WIRE_TRANSACTION_NOT_FOUND;
        *transaction = piece->transaction;
    }
    return append(transfer, piece, deadline, value);
}

void attrd_transfers_expire(attrd_transfers *transfers, uint64_t now)
{
    for (uint32_t i = 0; i < ATTRD_MAX_TRANSFERS; i++)
        if (now >= transfers->places[i].deadline)
            transfers->places[i].expected.transaction = 0;
}

uint64_t attrd_transfers_deadline(const attrd_transfers *transfers)
{
    uint64_t deadline = ATTRD_NO_DEADLINE;
    for (uint32_t i = 0; i < ATTRD_MAX_TRANSFERS; i++) {
        const attrd_transfer *transfer = &transfers->places[i];
        if (transfer->expected.transaction != 0 && transfer->deadline < deadline)
            deadline = transfer->deadline;
    }
    return deadline;
}
