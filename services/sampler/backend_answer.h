/* What a backend's answers to posted snapshots mean, as one acknowledgement of their batch.
 * Pure but for memory; any thread. */
#ifndef BACKEND_ANSWER_H
#define BACKEND_ANSWER_H

#include <stddef.h>

#include "store_request.h"

/* Counts a row that was answered, or puts the whole batch off: then ack->code is not ACK_OK any
 * more, and ack->message says why. Of several reasons the first stays. */
void backend_answer_take(struct ack *ack, size_t row, long status, const char *body,
                         size_t body_bytes);

/* No answer came; reason says why. Puts the batch off. */
void backend_answer_missing(struct ack *ack, const char *reason);

#endif
