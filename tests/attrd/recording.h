/* Reads a recording (recordings/README.md has the form). */
#ifndef RECORDING_H
#define RECORDING_H

#include "wire.h"

#define RECORDING_MOST 128

typedef struct {
    bool sent;      /* sent by the recorded client, otherwise received by it */
    unsigned chunk; /* messages of one call have the same number */
    message message;
} recorded;

/* Returns the number of messages; exits if the file is malformed. */
unsigned recording_read(const char *directory, const char *name, recorded *messages);

/* True if the messages are equal except for the sequence number, and the transaction in the answer to a
   piece. */
bool recording_same_answer(const uint8_t *a, const uint8_t *b);

#endif
