/* Requests to the stores on behalf of HTTP requests: sent, repeated, answered or given up by
 * the loop's thread. The first copy goes to one store; if that is silent for a quarter of the
 * time, or cannot, every store is asked, so one that lives is enough. As many may wait as there
 * are HTTP connections. */
#ifndef STORE_CLIENT_H
#define STORE_CLIENT_H

#include <stdbool.h>
#include <uv.h>

#include "keyring.h"
#include "metrics.h"
#include "store_request.h"

struct store_client;

struct store_client_options {
    const char *endpoints; /* of the stores; NULL or "": none, nothing is ever acknowledged */
    int64_t discovery_interval_ms;
    struct keyring *keys; /* borrowed for good */
    int64_t hwm;
    int64_t timeout_ms; /* a call is given up after so long */
    struct metrics *metrics;
};

/* Loop thread. NULL with one line in error when the bus refuses. */
struct store_client *store_client_new(uv_loop_t *loop,
                                      const struct store_client_options *options, char *error,
                                      size_t error_bytes);

/* Loop thread: gives up the calls under way and takes no more. May be repeated. */
void store_client_close(struct store_client *client);

/* Any thread: whether every call that was taken over has been done. */
bool store_client_idle(const struct store_client *client);

/* Loop thread; nobody may call any more. Closes first. Handles close in the loop's next turns.
 */
void store_client_destroy(struct store_client **client);

struct store_call {
    enum request_kind kind;
    struct snapshot snapshot;    /* batch: its one row */
    char auction[AUCTION_BYTES]; /* setting */
    bool enabled;                /* setting */

    /* Called in the loop's thread, once, when the outcome is known. */
    void (*done)(struct store_call *call);
    bool answered;  /* outcome: a store acknowledged it; else it was given up */
    struct ack ack; /* when answered; the caller gives it to ack_fini() */

    uint64_t id; /* the rest is the client's */
    int64_t deadline_ms;
    int64_t repeat_ms;
    int rounds;  /* how often it was sent */
    int awaited; /* stores asked in the newest round that have not said that they cannot */
    struct store_call *next;
};

/* Any thread: takes the call over until done() is called. False: closed, nothing is taken. */
bool store_client_call(struct store_client *client, struct store_call *call);

#endif
