/* Who is connected, from where, and for how long without getting on: connections in all and per
 * address, requests that do not come to their end, answers that are not read. Beyond the limit
 * in all, the connection that has waited longest for a request makes room for a new one. Holds
 * as many as are open. Any thread; no clock, no log, and no socket but through cut. */
#ifndef CALLERS_H
#define CALLERS_H

#include <stddef.h>
#include <stdint.h>

#include "address.h"

struct callers;
struct caller;

enum callers_end {
    CALLERS_FULL,         /* refused: all connections are being answered */
    CALLERS_ADDRESS,      /* refused: its address has its share */
    CALLERS_PUSHED,       /* made room for a new one */
    CALLERS_SLOW_REQUEST, /* its request was not there in time */
    CALLERS_SLOW_READER,  /* its answer was not read in time */
    CALLERS_ENDS
};

struct callers_options {
    uint64_t seed;                  /* random, as crowd_new() wants it */
    size_t most;                    /* connections in all */
    uint64_t most_of_address;       /* 0: no limit */
    const struct networks *proxies; /* have none of their own; borrowed */
    int64_t request_ms, answer_ms;  /* how long either may take */
    /* The connection is to be closed. It is open yet, and nothing of callers may be called. */
    void (*cut)(void *arg, int descriptor, enum callers_end why);
    void *arg;
};

struct callers *callers_new(const struct callers_options *options);
void callers_destroy(struct callers **callers); /* all must have left */

/* A new connection, that waits for a request. NULL: it is cut. address NULL: of no internet
 * family. mono_ms: any monotonic time, the same everywhere here. */
struct caller *callers_enter(struct callers *callers, const struct address *address,
                             int descriptor, int64_t mono_ms);

/* Its request is there whole; its answer has gone and the next request is waited for. */
void callers_answer(struct callers *callers, struct caller *caller, int64_t mono_ms);
void callers_wait(struct callers *callers, struct caller *caller, int64_t mono_ms);

/* Before the descriptor is closed; NULL does nothing. */
void callers_leave(struct callers *callers, struct caller **caller);

/* Cuts what took too long. To be called now and then. */
void callers_tick(struct callers *callers, int64_t mono_ms);

#endif
