/* In: batches, acknowledgements. Out: requests, acknowledgements that decode. Loop thread. */
#include <czmq.h>
#include <stdlib.h>

#include "bus.h"
#include "bus_io.h"
#include "bus_keys.h"
#include "clock.h"
#include "discovery.h"
#include "log.h"
#include "mem.h"

#include "sampler_metrics.h"
#include "store_send.h"

#define BUDGET 100 /* acknowledgements in one turn of the loop */
#define LOG_MS 10000

struct store_send {
    zsock_t *socket;
    struct discovery *discovery;
    struct bus_watch *watch;
    struct encoder *encoder;
    struct metrics *metrics;
    struct log_limit junk_limit;
    store_send_done_f *done;
    void *arg;
};

/* A store that is stopped or cut off may stay connected for long. A DEALER's messages go round
 * its peers, so of two copies one reaches another store than that. */
static int
count_copies(const struct store_send *send, int attempt)
{
    return attempt > 1 && metrics_get(send->metrics, METRIC_CONNECTED_STORES) > 1 ? 2 : 1;
}

bool
store_send_batch(struct store_send *send, const struct outbox_batch *batch, const char *key)
{
    struct store_request request = {.kind = REQUEST_BATCH,
                                    .id = batch->id,
                                    .key = (char *)key,
                                    .rows = (struct snapshot *)batch->rows,
                                    .row_count = batch->row_count};
    struct encoded encoded = store_request_encode(send->encoder, &request);
    int copies = count_copies(send, batch->attempt), sent = 0;
    while (sent < copies && bus_send(send->socket, encoded.topic, encoded.topic_bytes,
                                     encoded.body, encoded.body_bytes))
        sent++;
    return sent > 0;
}

static void
drop_junk(struct store_send *send, const char *reason)
{
    int64_t suppressed;
    metrics_add(send->metrics, METRIC_ACKS_JUNK, 1);
    if (log_allowed(&send->junk_limit, clock_mono_ms(), LOG_MS, &suppressed))
        log_warn("sampler.junk_ack", "a store's message was dropped", LOG_STR("reason", reason),
                 LOG_INT("suppressed", suppressed));
}

static bool
read_ack(void *arg, zsock_t *socket)
{
    struct store_send *send = arg;
    zmq_msg_t topic, body;
    int result = bus_receive(socket, &topic, &body);
    if (result < 0)
        drop_junk(send, "frames");
    if (result <= 0)
        return result;
    struct ack ack;
    enum decode_result decoded = ack_decode(zmq_msg_data(&topic), zmq_msg_size(&topic),
                                            zmq_msg_data(&body), zmq_msg_size(&body), &ack);
    zmq_msg_close(&topic);
    zmq_msg_close(&body);
    if (decoded != DECODE_OK) {
        drop_junk(send, decode_result_text(decoded));
        return true;
    }
    send->done(send->arg, &ack);
    ack_fini(&ack);
    return true;
}

/* -1 with the reason in error. */
static int
connect_stores(struct store_send *send, const struct store_send_options *options, char *error,
               size_t error_bytes)
{
    send->socket = bus_socket(ZMQ_DEALER, options->hwm);
    if (!send->socket) {
        snprintf(error, error_bytes, "no DEALER socket: %s", zmq_strerror(zmq_errno()));
        return -1;
    }
    zsock_set_immediate(send->socket, 1); /* only to stores that are there */
    struct discovery_options peers = {.loop = options->loop,
                                      .socket = send->socket,
                                      .endpoints = options->endpoints,
                                      .peers = BUS_ROLE_BIT(BUS_STORE),
                                      .interval_ms = options->discovery_interval_ms,
                                      .metrics = options->metrics,
                                      .peers_row = METRIC_PEERS_STORES,
                                      .connected_row = METRIC_CONNECTED_STORES,
                                      .failed_row = METRIC_RESOLUTIONS_STORES};
    send->discovery = discovery_new(&peers, error, error_bytes);
    if (!send->discovery)
        return -1;
    send->watch = bus_watch_new(options->loop, send->socket, BUDGET, read_ack, send);
    return 0;
}

struct store_send *
store_send_new(const struct store_send_options *options, char *error, size_t error_bytes)
{
    struct store_send *send = mem_alloc(sizeof *send);
    *send = (struct store_send){.encoder = encoder_new(),
                                .metrics = options->metrics,
                                .done = options->done,
                                .arg = options->arg};
    if (connect_stores(send, options, error, error_bytes))
        store_send_destroy(&send);
    return send;
}

void
store_send_destroy(struct store_send **send)
{
    if (!*send)
        return;
    bus_watch_destroy(&(*send)->watch);
    discovery_destroy(&(*send)->discovery);
    zsock_destroy(&(*send)->socket);
    encoder_destroy(&(*send)->encoder);
    free(*send);
    *send = NULL;
}
