/* In: entries; connections and subscriptions. Out: messages. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "bus_io.h"
#include "mem.h"

#include "replay_bus.h"

#define HWM 1000
#define SEND_BUFFER_BYTES (64 * 1024)
#define SETTLE_MS 300 /* of silence: whoever came has said all it wants */
#define MONITOR "inproc://replay-monitor"
/* A connection that fails in its handshake ends with a disconnection, too. */
#define CAME                                                                                   \
    (ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |                    \
     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

struct replay_bus {
    zsock_t *socket;
    zsock_t *monitor; /* PAIR: connections that came and went */
    int64_t connected;
    int64_t subscriptions; /* that there are */
    int64_t heard_ms;      /* when somebody last came or subscribed, monotonic */
};

struct replay_bus *
replay_bus_new(uv_loop_t *loop, const struct bus_settings *settings, const char *endpoints,
               char *error, size_t error_bytes)
{
    struct replay_bus *bus = mem_alloc(sizeof *bus);
    struct bus_guard_options guard = {loop, settings, BUS_TAP, NULL, 0};
    if (bus_guard_open(&guard, error, error_bytes)) {
        free(bus);
        return NULL;
    }
    bus->socket = bus_socket(ZMQ_XPUB, HWM);
    bus->monitor = zsock_new(ZMQ_PAIR);
    bool made = bus->socket && bus->monitor;
    if (made) {
        zsock_set_xpub_verboser(bus->socket, 1);
        zsock_set_xpub_nodrop(bus->socket, 1);
        zsock_set_sndbuf(bus->socket, SEND_BUFFER_BYTES);
        made = !zmq_socket_monitor(zsock_resolve(bus->socket), MONITOR,
                                   CAME | ZMQ_EVENT_DISCONNECTED) &&
               !zsock_connect(bus->monitor, MONITOR);
    }
    if (!made)
        snprintf(error, error_bytes, "no XPUB socket: %s", zmq_strerror(zmq_errno()));
    if (!made || bus_bind(bus->socket, endpoints, error, error_bytes))
        replay_bus_destroy(&bus, 0);
    return bus;
}

void
replay_bus_destroy(struct replay_bus **bus, int drain_ms)
{
    if (!*bus)
        return;
    if ((*bus)->socket) {
        zmq_socket_monitor(zsock_resolve((*bus)->socket), NULL, 0);
        zsock_set_linger((*bus)->socket, drain_ms);
    }
    zsock_destroy(&(*bus)->monitor);
    zsock_destroy(&(*bus)->socket);
    bus_guard_close();
    free(*bus);
    *bus = NULL;
}

static void
read_monitor(struct replay_bus *bus, int64_t mono_ms)
{
    zmq_msg_t event, address;
    while (bus_receive(bus->monitor, &event, &address) > 0) {
        uint16_t kind;
        memcpy(&kind, zmq_msg_data(&event), sizeof kind);
        bus->connected += kind & CAME ? 1 : -1;
        bus->heard_ms = mono_ms;
        zmq_msg_close(&event);
        zmq_msg_close(&address);
    }
}

static void
read_subscriptions(struct replay_bus *bus, int64_t mono_ms)
{
    unsigned char request[1];
    int bytes;
    void *handle = zsock_resolve(bus->socket);
    while ((bytes = zmq_recv(handle, request, sizeof request, ZMQ_DONTWAIT)) >= 0) {
        if (bytes)
            bus->subscriptions += *request == 1 ? 1 : -1;
        bus->heard_ms = mono_ms;
    }
}

bool
replay_bus_has(struct replay_bus *bus, int64_t subscribers, int64_t mono_ms)
{
    read_monitor(bus, mono_ms);
    read_subscriptions(bus, mono_ms);
    return bus->connected >= subscribers && bus->subscriptions >= subscribers &&
           (!subscribers || mono_ms - bus->heard_ms >= SETTLE_MS);
}

bool
replay_bus_send(struct replay_bus *bus, const struct record_entry *entry)
{
    return bus_send(bus->socket, entry->topic, entry->topic_bytes, entry->body,
                    entry->body_bytes);
}
