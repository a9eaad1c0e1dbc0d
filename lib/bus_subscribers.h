/* What the subscribers of an XPUB hold of its memory. ZeroMQ keeps every prefix that is
 * subscribed to, some 30 bytes for each of its bytes, without a bound; here there is one for
 * all connections together, and beyond it the connection that holds the most is cut. It may
 * come again, with nothing. Needs ZMQ_XPUB_VERBOSER, without which not every end of a
 * subscription is told. Loop thread.
 */
#ifndef BUS_SUBSCRIBERS_H
#define BUS_SUBSCRIBERS_H

#include <stddef.h>
#include <zmq.h>

#include "metrics.h"

struct bus_subscribers;

/* cut_row: of a counter of connections that were cut. */
struct bus_subscribers *bus_subscribers_new(size_t most_bytes, struct metrics *metrics,
                                            size_t cut_row);
void bus_subscribers_destroy(struct bus_subscribers **subscribers);

/* A message that was read from the XPUB: 1 and a prefix, or 0 and a prefix, or another. */
void bus_subscribers_note(struct bus_subscribers *subscribers, zmq_msg_t *message);

size_t bus_subscribers_bytes(const struct bus_subscribers *subscribers); /* held now, at most */

#define BUS_SUBSCRIBERS_CUT_HELP                                                               \
    "Connections of subscribers that were cut because together they held too many prefixes."

#define SETTINGS_SUBSCRIBERS(type_, member_, fallback_)                                        \
    {                                                                                          \
        "SUBSCRIPTION_BYTES", SETTING_NUMBER, offsetof(type_, member_), fallback_, 65536,      \
            1099511627776, "bytes", NULL,                                                      \
            "Prefixes that subscribers may hold together, some 30 bytes of memory each byte; " \
            "beyond, the connection that holds the most is cut."                               \
    }

#endif
