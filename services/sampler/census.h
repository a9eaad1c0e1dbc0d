/* The count of everybody: gateways' messages and time in; changes of live counts, snapshots and
 * renewals out. Joins the roster (who is there, and what was missed of them) and the window
 * (what a minute held). Pure: messages and moments in, callbacks out; no socket, no clock, no
 * log. One thread. */
#ifndef CENSUS_H
#define CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"

#include "roster.h"
#include "window.h"

struct census_options {
    int64_t sample_interval_ms;
    int64_t snapshot_interval_ms;
    int64_t heartbeat_interval_ms; /* the gateways' */
    int64_t node_timeout_ms;
    const bool *unserved; /* by shard: left to other samplers; NULL: none */
    void (*change)(void *arg, const char *auction, uint64_t count);
    void (*snapshot)(void *arg, const struct snapshot *snapshot);
    void (*closed)(void *arg); /* the window's snapshots are all out */
    void (*renew)(void *arg, const struct reader_renewal *renewal);
    void (*news)(void *arg, const char *node, enum reader_news news);
    void *arg; /* of all */
};

struct census;

struct census *census_new(const struct census_options *options, int64_t mono_ms);
void census_destroy(struct census **census);

enum roster_result census_take(struct census *census, const struct message *message,
                               struct moment now);

/* Time passes. Returns in how many ms to call it again at the latest. */
int64_t census_tick(struct census *census, struct moment now);

/* Hands on what there is of windows that have ended, and of the open one, as not complete where
 * that is not known to be so. */
void census_finish(struct census *census, struct moment now);

/* Warmed up: counts and snapshots are whole from now on. Never goes back. */
bool census_ready(const struct census *census);

const struct roster *census_roster(const struct census *census);
const struct window *census_window(const struct census *census);

#endif
