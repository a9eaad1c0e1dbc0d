/* In: snapshots and acknowledgements. Out: batches to the stores. Loop thread. */
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "bus_io.h"
#include "bus_keys.h"
#include "clock.h"
#include "discovery.h"
#include "log.h"
#include "mem.h"

#include "store_request.h"

#include "http_send.h"
#include "outbox.h"
#include "outbox_disk.h"
#include "sampler_metrics.h"
#include "snapshot_send.h"

#define BUDGET 100 /* acknowledgements in one turn of the loop */
#define LOG_MS 10000
#define ID_SHIFT 20 /* a million batches a millisecond before two runs' ids could meet */

/* What the log line of one window tells. */
struct report {
    int64_t snapshots, batches, acknowledged;
    uint64_t first_id; /* of its batches */
    bool open;         /* not logged yet */
};

struct snapshot_send {
    struct http_send *http; /* NULL: the stores, by what follows */
    zsock_t *socket;
    struct discovery *discovery;
    struct bus_watch *watch;
    struct encoder *encoder;
    struct outbox *outbox;
    struct outbox_disk *disk; /* NULL: none */
    int64_t rows_max;
    struct metrics *metrics;
    char *key;
    int64_t dropped;      /* rows dropped for room that were logged */
    struct report report; /* of the window closed last */
    struct report next;   /* of the one whose snapshots come in */
    struct log_limit refused_limit, answer_limit, room_limit, junk_limit;
    uv_timer_t timer;
};

static void
log_report(struct snapshot_send *send)
{
    struct report *report = &send->report;
    if (!report->open)
        return;
    report->open = false;
    log_info("sampler.sent", "viewer analytics sent", LOG_INT("snapshots", report->snapshots),
             LOG_INT("batches", report->batches), LOG_INT("acknowledged", report->acknowledged),
             LOG_INT("held_rows", (int64_t)outbox_rows(send->outbox)));
}

static void
note_room(struct snapshot_send *send)
{
    int64_t suppressed, dropped = (int64_t)outbox_dropped(send->outbox);
    metrics_set(send->metrics, METRIC_OUTBOX_ROWS, (int64_t)outbox_rows(send->outbox));
    metrics_set(send->metrics, METRIC_OUTBOX_BATCHES, (int64_t)outbox_batches(send->outbox));
    metrics_set(send->metrics, METRIC_DROPPED_ROOM, dropped);
    if (dropped == send->dropped ||
        !log_allowed(&send->room_limit, clock_mono_ms(), LOG_MS, &suppressed))
        return;
    log_error("sampler.dropped", "snapshots are lost: no store takes them and the room is full",
              LOG_INT("rows", dropped - send->dropped),
              LOG_INT("held_rows", (int64_t)outbox_rows(send->outbox)));
    send->dropped = dropped;
}

/* A store that is stopped or cut off may stay connected for long. A DEALER's messages go round
 * its peers, so of two copies one reaches another store than that. */
static int
count_copies(const struct snapshot_send *send, int attempt)
{
    return attempt > 1 && metrics_get(send->metrics, METRIC_CONNECTED_STORES) > 1 ? 2 : 1;
}

static bool
send_to_store(struct snapshot_send *send, const struct outbox_batch *batch)
{
    struct store_request request = {.kind = REQUEST_BATCH,
                                    .id = batch->id,
                                    .key = send->key,
                                    .rows = (struct snapshot *)batch->rows,
                                    .row_count = batch->row_count};
    struct encoded encoded = store_request_encode(send->encoder, &request);
    int copies = count_copies(send, batch->attempt), sent = 0;
    while (sent < copies && bus_send(send->socket, encoded.topic, encoded.topic_bytes,
                                     encoded.body, encoded.body_bytes))
        sent++;
    return sent;
}

static bool
send_batch(struct snapshot_send *send, const struct outbox_batch *batch)
{
    if (send->http ? !http_send_batch(send->http, batch, send->key)
                   : !send_to_store(send, batch))
        return false;
    metrics_add(send->metrics, batch->attempt == 1 ? METRIC_BATCHES : METRIC_REPEATS, 1);
    return true;
}

static void pump(struct snapshot_send *send);

static void
on_timer(uv_timer_t *timer)
{
    pump(timer->data);
}

/* Sends what is due, one batch in a turn of the loop, and sets the timer to the next. */
static void
pump(struct snapshot_send *send)
{
    struct outbox_batch batch;
    int64_t mono_ms = clock_mono_ms();
    if (outbox_next(send->outbox, mono_ms, &batch) && !send_batch(send, &batch))
        outbox_unsent(send->outbox, batch.id, mono_ms);
    int64_t wait_ms = outbox_wait_ms(send->outbox, mono_ms);
    if (wait_ms < 0)
        uv_timer_stop(&send->timer);
    else
        uv_timer_start(&send->timer, on_timer, (uint64_t)wait_ms, 0);
    if (send->disk && (int64_t)outbox_rows(send->outbox) < send->rows_max / 2)
        outbox_disk_load(send->disk);
    note_room(send);
}

static void
log_refusals(struct snapshot_send *send, const struct ack *ack,
             const struct outbox_batch *batch)
{
    int64_t suppressed;
    for (size_t i = 0; i < ack->refused; i++) {
        const struct refusal *refusal = &ack->refusals[i];
        const char *auction =
            refusal->row < batch->row_count ? batch->rows[refusal->row].auction : "?";
        if (log_allowed(&send->refused_limit, clock_mono_ms(), LOG_MS, &suppressed))
            log_error("sampler.refused", "the store refuses a snapshot; it is dropped",
                      LOG_STR("auction", auction), LOG_STR("reason", refusal->reason),
                      LOG_INT("suppressed", suppressed));
    }
}

static void
note_done(struct snapshot_send *send, const struct ack *ack, const struct outbox_batch *batch)
{
    metrics_add(send->metrics, METRIC_ROWS_SAVED, (int64_t)ack->saved);
    metrics_add(send->metrics, METRIC_ROWS_KEPT, (int64_t)ack->kept);
    metrics_add(send->metrics, METRIC_ROWS_IGNORED, (int64_t)ack->ignored);
    metrics_add(send->metrics, METRIC_ROWS_SPOOLED, (int64_t)ack->spooled);
    metrics_add(send->metrics, METRIC_ROWS_REFUSED, (int64_t)ack->refused);
    log_refusals(send, ack, batch);
    if (batch->id >= send->next.first_id)
        send->next.acknowledged++;
    else if (batch->id >= send->report.first_id)
        send->report.acknowledged++;
    if (send->report.acknowledged == send->report.batches)
        log_report(send);
}

static void
note_invalid(struct snapshot_send *send, const struct ack *ack,
             const struct outbox_batch *batch)
{
    metrics_add(send->metrics, METRIC_DROPPED_INVALID, (int64_t)batch->row_count);
    log_error("sampler.invalid", "the store cannot read a batch; it is dropped",
              LOG_STR("message", ack->message), LOG_INT("rows", (int64_t)batch->row_count));
}

static void
note_later(struct snapshot_send *send, const struct ack *ack)
{
    int64_t suppressed;
    if (!log_allowed(&send->answer_limit, clock_mono_ms(), LOG_MS, &suppressed))
        return;
    struct log_field fields[] = {LOG_STR("code", ack_code_text(ack->code)),
                                 LOG_STR("message", ack->message),
                                 LOG_INT("held_rows", (int64_t)outbox_rows(send->outbox)),
                                 LOG_INT("suppressed", suppressed), LOG_NONE};
    log_write(ack->code == ACK_UNAVAILABLE ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR,
              "sampler.not_taken", "a store does not take snapshots; they are kept", fields);
}

static void
take_ack(struct snapshot_send *send, const struct ack *ack)
{
    struct outbox_batch batch;
    metrics_add(send->metrics, METRIC_ACKS_OK + ack->code, 1);
    enum outbox_verdict verdict =
        outbox_answer(send->outbox, ack->id, ack->code, clock_mono_ms(), &batch);
    if (send->disk && (verdict == OUTBOX_DONE || verdict == OUTBOX_INVALID))
        outbox_disk_forget(send->disk, ack->id);
    switch (verdict) {
    case OUTBOX_DONE:
        note_done(send, ack, &batch);
        break;
    case OUTBOX_INVALID:
        note_invalid(send, ack, &batch);
        break;
    case OUTBOX_LATER:
        note_later(send, ack);
        break;
    case OUTBOX_UNKNOWN:
        metrics_add(send->metrics, METRIC_ACKS_UNKNOWN, 1);
        break;
    }
}

static void
drop_junk(struct snapshot_send *send, const char *reason)
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
    struct snapshot_send *send = arg;
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
    take_ack(send, &ack);
    ack_fini(&ack);
    pump(send);
    return true;
}

static void
on_batch_closed(void *arg, const struct outbox_batch *batch)
{
    struct snapshot_send *send = arg;
    if (send->disk)
        outbox_disk_keep(send->disk, batch->id, batch->rows, batch->row_count);
}

static bool
on_evicted(void *arg, uint64_t id)
{
    struct snapshot_send *send = arg;
    return send->disk && outbox_disk_park(send->disk, id);
}

static uint64_t
on_loaded(void *arg, struct snapshot *rows, size_t count)
{
    struct snapshot_send *send = arg;
    uint64_t id = outbox_restore(send->outbox, rows, count);
    uv_timer_start(&send->timer, on_timer, 0, 0);
    return id;
}

/* -1 with the reason in error. */
static int
open_disk(struct snapshot_send *send, const struct snapshot_send_options *options, char *error,
          size_t error_bytes)
{
    struct outbox_disk_options disk = {.loop = options->loop,
                                       .path = options->disk_path,
                                       .bytes_max = options->disk_bytes,
                                       .metrics = options->metrics,
                                       .load = on_loaded,
                                       .arg = send};
    if (!*options->disk_path)
        return 0;
    send->disk = outbox_disk_new(&disk, error, error_bytes);
    if (!send->disk)
        return -1;
    outbox_disk_load(send->disk);
    return 0;
}

/* -1 with the reason in error. */
static int
open_bus(struct snapshot_send *send, const struct snapshot_send_options *options, char *error,
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

static void
on_posted(void *arg, const struct ack *ack)
{
    struct snapshot_send *send = arg;
    take_ack(send, ack);
    pump(send);
}

static int
open_backend(struct snapshot_send *send, const struct snapshot_send_options *options,
             char *error, size_t error_bytes)
{
    struct http_send_options http = {.loop = options->loop,
                                     .url = options->backend,
                                     .timeout_ms = options->ack_timeout_ms,
                                     .done = on_posted,
                                     .arg = send};
    send->http = http_send_new(&http);
    if (!send->http)
        snprintf(error, error_bytes, "libcurl cannot be started");
    return send->http ? 0 : -1;
}

struct snapshot_send *
snapshot_send_new(const struct snapshot_send_options *options, char *error, size_t error_bytes)
{
    struct snapshot_send *send = mem_alloc(sizeof *send);
    uint64_t first_id = (uint64_t)options->epoch_ms << ID_SHIFT;
    struct outbox_options outbox = {.rows_max = (size_t)options->rows_max,
                                    .retry_ms = options->ack_timeout_ms,
                                    .retry_max_ms = options->ack_retry_max_ms,
                                    .first_id = first_id,
                                    .seed = (uint64_t)options->epoch_ms,
                                    .closed = on_batch_closed,
                                    .evicted = on_evicted,
                                    .arg = send};
    send->encoder = encoder_new();
    send->outbox = outbox_new(&outbox);
    send->metrics = options->metrics;
    send->key = mem_text(options->key);
    send->next.first_id = first_id;
    send->rows_max = options->rows_max;
    uv_timer_init(options->loop, &send->timer);
    send->timer.data = send;
    int result = *options->backend ? open_backend(send, options, error, error_bytes)
                                   : open_bus(send, options, error, error_bytes);
    if (result || open_disk(send, options, error, error_bytes))
        snapshot_send_destroy(&send);
    return send;
}

bool
snapshot_send_set_key(struct snapshot_send *send, const char *key)
{
    if (!strcmp(send->key, key))
        return false;
    explicit_bzero(send->key, strlen(send->key));
    free(send->key);
    send->key = mem_text(key);
    outbox_hurry(send->outbox);
    pump(send);
    return true;
}

void
snapshot_send_add(struct snapshot_send *send, const struct snapshot *snapshot)
{
    uint64_t next_id = outbox_next_id(send->outbox);
    outbox_add(send->outbox, snapshot);
    metrics_add(send->metrics, METRIC_SNAPSHOTS, 1);
    send->next.snapshots++;
    if (outbox_next_id(send->outbox) != next_id)
        pump(send);
}

void
snapshot_send_close(struct snapshot_send *send)
{
    log_report(send);
    outbox_seal(send->outbox);
    send->report = send->next;
    send->next = (struct report){.first_id = outbox_next_id(send->outbox)};
    send->report.batches = (int64_t)(send->next.first_id - send->report.first_id);
    send->report.open = send->report.snapshots;
    if (send->report.acknowledged == send->report.batches)
        log_report(send);
    pump(send);
}

bool
snapshot_send_empty(const struct snapshot_send *send)
{
    return !outbox_rows(send->outbox) && (!send->disk || outbox_disk_settled(send->disk));
}

static void
on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void
snapshot_send_destroy(struct snapshot_send **send)
{
    if (!*send)
        return;
    struct snapshot_send *old = *send;
    *send = NULL;
    outbox_seal(old->outbox);
    size_t rows = outbox_rows(old->outbox);
    bool on_disk = old->disk;
    size_t lost = outbox_disk_destroy(&old->disk);
    if (!on_disk)
        lost = rows;
    if (lost)
        log_error(
            "sampler.unsent_lost",
            "stopped before a store acknowledged these snapshots, and they are not on disk",
            LOG_INT("rows", (int64_t)lost));
    if (rows > lost)
        log_info("sampler.unsent", "snapshots wait on disk for the next start",
                 LOG_INT("rows", (int64_t)(rows - lost)));
    http_send_destroy(&old->http);
    bus_watch_destroy(&old->watch);
    discovery_destroy(&old->discovery);
    zsock_destroy(&old->socket);
    encoder_destroy(&old->encoder);
    outbox_destroy(&old->outbox);
    explicit_bzero(old->key, strlen(old->key));
    free(old->key);
    uv_close((uv_handle_t *)&old->timer, on_closed);
}
