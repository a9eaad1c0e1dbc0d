/* In: an edge-triggered ZeroMQ descriptor. Out: calls to read, as libuv's turns allow. */
#include <stdlib.h>

#include "bus_io.h"
#include "mem.h"

/* uv_poll on ZMQ_FD only wakes the loop; what there is to read is asked of ZMQ_EVENTS before
 * the loop sleeps (prepare) and after it woke (check). While there is more than a turn's
 * budget, an idle handle keeps the loop from sleeping. */
struct bus_watch {
    zsock_t *socket;
    bus_read_f *read;
    void *arg;
    int budget;
    int open_handles; /* until their close callbacks */
    uv_poll_t poll;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
};

static bool
is_readable(const struct bus_watch *watch)
{
    return zsock_events(watch->socket) & ZMQ_POLLIN;
}

static void
on_idle(uv_idle_t *idle)
{
    (void)idle; /* its being active is what counts */
}

static void
on_poll(uv_poll_t *poll, int status, int events)
{
    (void)poll, (void)status, (void)events; /* the check handle reads */
}

static void
on_prepare(uv_prepare_t *prepare)
{
    struct bus_watch *watch = prepare->data;
    if (is_readable(watch))
        uv_idle_start(&watch->idle, on_idle);
}

static void
on_check(uv_check_t *check)
{
    struct bus_watch *watch = check->data;
    uv_idle_stop(&watch->idle);
    if (!is_readable(watch))
        return;
    for (int i = 0;
         i < watch->budget && watch->socket && watch->read(watch->arg, watch->socket); i++)
        ;
}

struct bus_watch *
bus_watch_new(uv_loop_t *loop, zsock_t *socket, int budget, bus_read_f *read, void *arg)
{
    struct bus_watch *watch = mem_alloc(sizeof *watch);
    watch->socket = socket;
    watch->read = read;
    watch->arg = arg;
    watch->budget = budget;
    watch->open_handles = 4;
    uv_poll_init(loop, &watch->poll, zsock_fd(socket));
    uv_prepare_init(loop, &watch->prepare);
    uv_check_init(loop, &watch->check);
    uv_idle_init(loop, &watch->idle);
    watch->poll.data = watch->prepare.data = watch->check.data = watch->idle.data = watch;
    uv_poll_start(&watch->poll, UV_READABLE, on_poll);
    uv_prepare_start(&watch->prepare, on_prepare);
    uv_check_start(&watch->check, on_check);
    return watch;
}

static void
on_closed(uv_handle_t *handle)
{
    struct bus_watch *watch = handle->data;
    if (!--watch->open_handles)
        free(watch);
}

void
bus_watch_destroy(struct bus_watch **watch)
{
    if (!*watch)
        return;
    (*watch)->socket = NULL;
    uv_close((uv_handle_t *)&(*watch)->poll, on_closed);
    uv_close((uv_handle_t *)&(*watch)->prepare, on_closed);
    uv_close((uv_handle_t *)&(*watch)->check, on_closed);
    uv_close((uv_handle_t *)&(*watch)->idle, on_closed);
    *watch = NULL;
}

bool
bus_send(zsock_t *socket, const void *topic, size_t topic_bytes, const void *body,
         size_t body_bytes)
{
    void *handle = zsock_resolve(socket);
    return zmq_send(handle, topic, topic_bytes, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0 &&
           zmq_send(handle, body, body_bytes, ZMQ_DONTWAIT) >= 0;
}

/* Reads what is left of the message that topic and body belong to, and drops it all. */
static int
drop_message(void *handle, zmq_msg_t *topic, zmq_msg_t *body)
{
    while (zmq_msg_more(body) && zmq_msg_recv(body, handle, ZMQ_DONTWAIT) >= 0)
        ;
    zmq_msg_close(topic);
    zmq_msg_close(body);
    return -1;
}

int
bus_receive(zsock_t *socket, zmq_msg_t *topic, zmq_msg_t *body)
{
    void *handle = zsock_resolve(socket);
    zmq_msg_init(topic);
    zmq_msg_init(body);
    if (zmq_msg_recv(topic, handle, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(topic);
        zmq_msg_close(body);
        return 0;
    }
    if (!zmq_msg_more(topic) || zmq_msg_recv(body, handle, ZMQ_DONTWAIT) < 0 ||
        zmq_msg_more(body))
        return drop_message(handle, topic, body);
    return 1;
}
