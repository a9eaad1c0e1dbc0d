/* In: handshakes that failed. Out: the same connections, begun anew. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bus_guard.h"
#include "clock.h"
#include "endpoint.h"
#include "handshakes.h"
#include "log.h"
#include "mem.h"

#define RETRY_MS 1000
#define JITTER_PERCENT 20
#define LOG_INTERVAL_MS 10000

struct failure {
    struct failure *next;
    char *endpoint;
    unsigned attempt; /* tried so far */
    bool due;         /* at the timer's next tick */
};

struct handshakes {
    zsock_t *socket;
    unsigned peers;
    uv_timer_t timer;
    struct failure *failures; /* until a handshake succeeds */
    struct log_limit limit;
};

struct handshakes *
handshakes_new(uv_loop_t *loop, zsock_t *socket, unsigned peers)
{
    struct handshakes *handshakes = mem_alloc(sizeof *handshakes);
    handshakes->socket = socket;
    handshakes->peers = peers;
    uv_timer_init(loop, &handshakes->timer);
    handshakes->timer.data = handshakes;
    return handshakes;
}

/* The place that holds it, or where it would be added. */
static struct failure **
find(struct handshakes *handshakes, const char *endpoint)
{
    struct failure **place = &handshakes->failures;
    while (*place && strcmp((*place)->endpoint, endpoint))
        place = &(*place)->next;
    return place;
}

static void
drop(struct failure **place)
{
    struct failure *old = *place;
    *place = old->next;
    free(old->endpoint);
    free(old);
}

static void
connect_again(struct handshakes *handshakes, struct failure *failure)
{
    failure->due = false;
    failure->attempt++;
    zmq_disconnect(zsock_resolve(handshakes->socket), failure->endpoint);
    if (bus_guard_connect(handshakes->socket, failure->endpoint, handshakes->peers,
                          failure->attempt)) {
        log_warn("discovery.refused", "an address cannot be connected",
                 LOG_STR("address", failure->endpoint), LOG_STR("reason", zmq_strerror(errno)));
        failure->due = true;
    }
}

static void wait_for_next(struct handshakes *handshakes);

static void
on_timer(uv_timer_t *timer)
{
    struct handshakes *handshakes = timer->data;
    bool any = false;
    for (struct failure *failure = handshakes->failures; failure; failure = failure->next) {
        if (failure->due)
            connect_again(handshakes, failure);
        any |= failure->due;
    }
    if (any)
        wait_for_next(handshakes);
}

/* Apart from each other, so that many programs do not come at once. */
static void
wait_for_next(struct handshakes *handshakes)
{
    uint32_t chance = 0;
    uv_random(NULL, NULL, &chance, sizeof chance, 0, NULL);
    int spread_ms = RETRY_MS * JITTER_PERCENT / 100;
    uv_timer_start(&handshakes->timer, on_timer, RETRY_MS + chance % (uint32_t)spread_ms, 0);
}

void
handshakes_failed(struct handshakes *handshakes, const char *endpoint, int event)
{
    struct failure **place = find(handshakes, endpoint);
    if (!*place) {
        *place = mem_alloc(sizeof **place);
        (*place)->endpoint = mem_text(endpoint);
    }
    (*place)->due = true;
    if (!uv_is_active((uv_handle_t *)&handshakes->timer))
        wait_for_next(handshakes);
    int64_t suppressed;
    const char *reason = event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH
                             ? "our key is not listed there"
                         : event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL
                             ? "one end has keys and the other has none, or it is no bus"
                             : "it hung up: its key may be another one";
    if (log_allowed(&handshakes->limit, clock_mono_ms(), LOG_INTERVAL_MS, &suppressed))
        log_warn("discovery.handshake", "a peer and we do not take each other; trying again",
                 LOG_STR("address", endpoint), LOG_STR("reason", reason),
                 LOG_INT("suppressed", suppressed));
}

void
handshakes_over(struct handshakes *handshakes, const char *endpoint)
{
    struct failure **place = find(handshakes, endpoint);
    if (*place)
        drop(place);
}

static void
on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void
handshakes_destroy(struct handshakes **handshakes)
{
    if (!*handshakes)
        return;
    while ((*handshakes)->failures)
        drop(&(*handshakes)->failures);
    uv_close((uv_handle_t *)&(*handshakes)->timer, on_closed);
    *handshakes = NULL;
}
