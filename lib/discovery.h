/* Connects a socket to a list of endpoints and keeps it connected: names in "tcp://name:port"
 * are resolved again and again while the loop runs, every address behind them is connected, and
 * one that no answer names any more is given up once its connection has ended. Peers that are
 * not there yet, and names that do not resolve (yet), are waited for. Never blocks. Loop
 * thread.
 */
#ifndef DISCOVERY_H
#define DISCOVERY_H

#include <czmq.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "metrics.h"

/* Addresses of one list at most; further ones are left out, which is logged. */
#define DISCOVERY_ADDRESSES_MAX 4096

struct discovery;

struct discovery_options {
    uv_loop_t *loop;
    zsock_t *socket;         /* borrowed; must outlive the discovery */
    const char *endpoints;   /* comma-separated, may be empty; borrowed for the call */
    unsigned peers;          /* whom they lead to: bits of roles, see bus_keys.h */
    int64_t interval_ms;     /* between two resolutions of a name, within a tenth */
    struct metrics *metrics; /* borrowed; NULL: none are kept, the rows do not matter */
    size_t peers_row;        /* gauge: addresses connected or being connected */
    size_t connected_row;    /* gauge: addresses connected */
    size_t failed_row;       /* counter: resolutions that failed */
};

/* Addresses and paths are connected before it returns; names follow in the loop's turns. NULL
 * with the endpoint that was refused and the reason in error. */
struct discovery *discovery_new(const struct discovery_options *options, char *error,
                                size_t error_bytes);

/* Before the socket is destroyed: touches it no more. A resolution under way ends in the loop
 * (within a few seconds, see bus_start()). */
void discovery_destroy(struct discovery **discovery);

/* The row that every program with endpoint lists has. */
#define SETTINGS_DISCOVERY(type_, member_)                                                     \
    {                                                                                          \
        "DISCOVERY_INTERVAL_MS", SETTING_NUMBER, offsetof(type_, member_), "2000", 100,        \
            600000, "ms", NULL,                                                                \
            "How often names in endpoints are resolved again, to find peers that came and "    \
            "drop those that went."                                                            \
    }

/* Helps of its rows in a metric table. */
#define DISCOVERY_PEERS_HELP "Addresses connected or being connected."
#define DISCOVERY_CONNECTED_HELP "Addresses connected."
#define DISCOVERY_FAILED_HELP "Names that could not be resolved; what they named is kept."

#endif
