/* In: descriptors as they are accepted. Out: the oldest of them, shut. A queue. */
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <utlist.h>

#include "bus_arrivals.h"
#include "mem.h"
#include "socket_id.h"

struct arrival {
    int descriptor;
    ino_t socket;
    int64_t since_ms;
    struct arrival *prev, *next;
};

struct bus_arrivals {
    struct arrival *queue; /* the oldest first */
    size_t count, most;
    int64_t handshake_ms;
};

struct bus_arrivals *
bus_arrivals_new(size_t most, int64_t handshake_ms)
{
    struct bus_arrivals *arrivals = mem_alloc(sizeof *arrivals);
    arrivals->most = most;
    arrivals->handshake_ms = handshake_ms;
    return arrivals;
}

static void
drop_oldest(struct bus_arrivals *arrivals)
{
    struct arrival *oldest = arrivals->queue;
    DL_DELETE(arrivals->queue, oldest);
    arrivals->count--;
    free(oldest);
}

void
bus_arrivals_destroy(struct bus_arrivals **arrivals)
{
    if (!*arrivals)
        return;
    while ((*arrivals)->queue)
        drop_oldest(*arrivals);
    free(*arrivals);
    *arrivals = NULL;
}

static bool
is_over(const struct bus_arrivals *arrivals, const struct arrival *arrival, int64_t mono_ms)
{
    return mono_ms - arrival->since_ms >= arrivals->handshake_ms ||
           socket_id(arrival->descriptor) != arrival->socket;
}

size_t
bus_arrivals_note(struct bus_arrivals *arrivals, int descriptor, int64_t mono_ms)
{
    size_t shut = 0;
    struct arrival *arrival = mem_alloc(sizeof *arrival);
    *arrival = (struct arrival){descriptor, socket_id(descriptor), mono_ms, NULL, NULL};
    DL_APPEND(arrivals->queue, arrival);
    arrivals->count++;
    while (is_over(arrivals, arrivals->queue, mono_ms) && arrivals->queue != arrival)
        drop_oldest(arrivals);
    for (; arrivals->count > arrivals->most; drop_oldest(arrivals)) {
        if (!is_over(arrivals, arrivals->queue, mono_ms))
            shut += !shutdown(arrivals->queue->descriptor, SHUT_RDWR);
    }
    return shut;
}
