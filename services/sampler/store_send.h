/* Batches to the stores, over a DEALER socket, and their acknowledgements. Runs in the loop and
 * never blocks; all functions and callbacks in the loop's thread. */
#ifndef STORE_SEND_H
#define STORE_SEND_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "metrics.h"
#include "outbox.h"
#include "store_request.h"

struct store_send;

typedef void store_send_done_f(void *arg, const struct ack *ack);

struct store_send_options {
    uv_loop_t *loop;
    const char *endpoints; /* borrowed for the call */
    int64_t discovery_interval_ms;
    int64_t hwm;
    struct metrics *metrics; /* borrowed for good */
    store_send_done_f *done;
    void *arg;
};

/* Connects; a store that is not there yet is waited for. NULL with the reason in error. */
struct store_send *store_send_new(const struct store_send_options *options, char *error,
                                  size_t error_bytes);
void store_send_destroy(struct store_send **send);

/* Sends a batch, copied, with the key. False: no store is connected, or its queue is full. */
bool store_send_batch(struct store_send *send, const struct outbox_batch *batch,
                      const char *key);

#endif
