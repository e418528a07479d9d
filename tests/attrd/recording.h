/* Reads a recording (recordings/README.md has the form). */
#ifndef RECORDING_H
#define RECORDING_H

#include "wire.h"

#define RECORDING_MOST 128

typedef struct {
    bool sent;      /* by the client that was recorded; else received */
    unsigned chunk; /* messages that went over in one call have the same */
    message message;
} recorded;

/* How many messages there are; exits if the file is not as it should be. */
unsigned recording_read(const char *directory, const char *name, recorded *messages);

/* The same message but for its sequence number, and the transaction in the answer to a piece. */
bool recording_same_answer(const uint8_t *a, const uint8_t *b);

#endif
