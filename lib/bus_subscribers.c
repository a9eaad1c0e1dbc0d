/* In: subscriptions, with the descriptor that each came from. Out: descriptors to shut.
 *
 * A connection is known by its descriptor and the inode of its socket: no other socket ever has
 * the same two. One that is gone is noticed when its descriptor is somebody else's, or when
 * room is needed. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bus_subscribers.h"
#include "clock.h"
#include "log.h"
#include "mem.h"
#include "socket_id.h"
#include "table.h"

#define LOG_INTERVAL_MS 10000

struct prefix {
    uint64_t hash; /* of its bytes, as good as they */
    size_t bytes;
    UT_hash_handle hh;
};

struct subscriber {
    int descriptor;
    ino_t socket;
    bool cut;
    size_t bytes; /* of its prefixes */
    struct prefix *prefixes;
    UT_hash_handle hh; /* by descriptor */
};

struct bus_subscribers {
    struct subscriber *all;
    size_t bytes, most_bytes;
    struct metrics *metrics;
    size_t cut_row;
    struct log_limit limit;
};

struct bus_subscribers *
bus_subscribers_new(size_t most_bytes, struct metrics *metrics, size_t cut_row)
{
    struct bus_subscribers *subscribers = mem_alloc(sizeof *subscribers);
    subscribers->most_bytes = most_bytes;
    subscribers->metrics = metrics;
    subscribers->cut_row = cut_row;
    return subscribers;
}

static void
drop_prefix(struct bus_subscribers *subscribers, struct subscriber *subscriber,
            struct prefix *prefix)
{
    subscriber->bytes -= prefix->bytes;
    subscribers->bytes -= prefix->bytes;
    HASH_DEL(subscriber->prefixes, prefix);
    free(prefix);
}

static void
drop_prefixes(struct bus_subscribers *subscribers, struct subscriber *subscriber)
{
    while (subscriber->prefixes)
        drop_prefix(subscribers, subscriber, subscriber->prefixes);
}

static void
drop(struct bus_subscribers *subscribers, struct subscriber *subscriber)
{
    drop_prefixes(subscribers, subscriber);
    HASH_DEL(subscribers->all, subscriber);
    free(subscriber);
}

void
bus_subscribers_destroy(struct bus_subscribers **subscribers)
{
    if (!*subscribers)
        return;
    while ((*subscribers)->all)
        drop(*subscribers, (*subscribers)->all);
    free(*subscribers);
    *subscribers = NULL;
}

/* NULL: the connection is gone already. */
static struct subscriber *
find_subscriber(struct bus_subscribers *subscribers, int descriptor)
{
    struct subscriber *subscriber;
    ino_t socket = socket_id(descriptor);
    HASH_FIND_INT(subscribers->all, &descriptor, subscriber);
    if (subscriber && subscriber->socket != socket) {
        drop(subscribers, subscriber);
        subscriber = NULL;
    }
    if (subscriber || !socket)
        return subscriber;
    subscriber = mem_alloc(sizeof *subscriber);
    subscriber->descriptor = descriptor;
    subscriber->socket = socket;
    HASH_ADD_INT(subscribers->all, descriptor, subscriber);
    return subscriber;
}

static void
cut(struct bus_subscribers *subscribers, struct subscriber *subscriber)
{
    int64_t suppressed;
    size_t bytes = subscriber->bytes;
    shutdown(subscriber->descriptor, SHUT_RDWR);
    subscriber->cut = true; /* what it has sent already comes yet */
    drop_prefixes(subscribers, subscriber);
    metrics_add(subscribers->metrics, subscribers->cut_row, 1);
    if (log_allowed(&subscribers->limit, clock_mono_ms(), LOG_INTERVAL_MS, &suppressed))
        log_warn("bus.subscriber_cut",
                 "a subscriber holds too many prefixes; see SUBSCRIPTION_BYTES",
                 LOG_INT("bytes", (int64_t)bytes), LOG_INT("suppressed", suppressed));
}

/* Forgets who is gone, and cuts the greatest while that is not enough. */
static void
make_room(struct bus_subscribers *subscribers)
{
    struct subscriber *subscriber, *next;
    HASH_ITER(hh, subscribers->all, subscriber, next)
    {
        if (socket_id(subscriber->descriptor) != subscriber->socket)
            drop(subscribers, subscriber);
    }
    while (subscribers->bytes > subscribers->most_bytes) {
        struct subscriber *greatest = subscribers->all;
        HASH_ITER(hh, subscribers->all, subscriber, next)
        {
            if (subscriber->bytes > greatest->bytes)
                greatest = subscriber;
        }
        cut(subscribers, greatest);
    }
}

static void
note_prefix(struct bus_subscribers *subscribers, struct subscriber *subscriber,
            const char *prefix, size_t bytes, bool wanted)
{
    struct prefix *known;
    uint64_t hash = table_hash_long(prefix, bytes);
    HASH_FIND(hh, subscriber->prefixes, &hash, sizeof hash, known);
    if (!wanted && known)
        drop_prefix(subscribers, subscriber, known);
    if (!wanted || known)
        return;
    known = mem_alloc(sizeof *known);
    known->hash = hash;
    known->bytes = bytes;
    HASH_ADD(hh, subscriber->prefixes, hash, sizeof hash, known);
    subscriber->bytes += bytes;
    subscribers->bytes += bytes;
}

void
bus_subscribers_note(struct bus_subscribers *subscribers, zmq_msg_t *message)
{
    const char *bytes = zmq_msg_data(message);
    size_t count = zmq_msg_size(message);
    if (!count || (*bytes != 0 && *bytes != 1))
        return;
    struct subscriber *subscriber =
        find_subscriber(subscribers, zmq_msg_get(message, ZMQ_SRCFD));
    if (!subscriber || subscriber->cut)
        return;
    note_prefix(subscribers, subscriber, bytes + 1, count - 1, *bytes);
    if (subscribers->bytes > subscribers->most_bytes)
        make_room(subscribers);
}

size_t
bus_subscribers_bytes(const struct bus_subscribers *subscribers)
{
    return subscribers->bytes;
}
