/* In: snapshots and acknowledgements. Out: batches to the stores. Loop thread. */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "mem.h"

#include "http_send.h"
#include "outbox.h"
#include "outbox_disk.h"
#include "send_notes.h"
#include "snapshot_send.h"
#include "store_send.h"

#define ID_SHIFT 20 /* a million batches a millisecond before two runs' ids could meet */

struct snapshot_send {
    struct http_send *http; /* NULL: the stores */
    struct store_send *stores;
    struct outbox *outbox;
    struct outbox_disk *disk; /* NULL: none */
    int64_t rows_max;
    char *key;
    struct send_notes notes;
    uv_timer_t timer;
};

static bool
send_batch(struct snapshot_send *send, const struct outbox_batch *batch)
{
    if (send->http ? !http_send_batch(send->http, batch, send->key)
                   : !store_send_batch(send->stores, batch, send->key))
        return false;
    send_notes_sent(&send->notes, batch);
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
    send_notes_room(&send->notes);
}

static void
take_ack(void *arg, const struct ack *ack)
{
    struct snapshot_send *send = arg;
    struct outbox_batch batch;
    enum outbox_verdict verdict =
        outbox_answer(send->outbox, ack->id, ack->code, clock_mono_ms(), &batch);
    if (send->disk && (verdict == OUTBOX_DONE || verdict == OUTBOX_INVALID))
        outbox_disk_forget(send->disk, ack->id);
    send_notes_answer(&send->notes, verdict, ack, &batch);
    pump(send);
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

static int
open_backend(struct snapshot_send *send, const struct snapshot_send_options *options,
             char *error, size_t error_bytes)
{
    struct http_send_options http = {.loop = options->loop,
                                     .url = options->backend,
                                     .timeout_ms = options->ack_timeout_ms,
                                     .done = take_ack,
                                     .arg = send};
    send->http = http_send_new(&http);
    if (!send->http)
        snprintf(error, error_bytes, "libcurl cannot be started");
    return send->http ? 0 : -1;
}

static int
open_stores(struct snapshot_send *send, const struct snapshot_send_options *options,
            char *error, size_t error_bytes)
{
    struct store_send_options stores = {.loop = options->loop,
                                        .endpoints = options->endpoints,
                                        .discovery_interval_ms = options->discovery_interval_ms,
                                        .hwm = options->hwm,
                                        .metrics = options->metrics,
                                        .done = take_ack,
                                        .arg = send};
    send->stores = store_send_new(&stores, error, error_bytes);
    return send->stores ? 0 : -1;
}

struct snapshot_send *
snapshot_send_new(const struct snapshot_send_options *options, char *error, size_t error_bytes)
{
    struct snapshot_send *send = mem_alloc(sizeof *send);
    struct outbox_options outbox = {.rows_max = (size_t)options->rows_max,
                                    .retry_ms = options->ack_timeout_ms,
                                    .retry_max_ms = options->ack_retry_max_ms,
                                    .first_id = (uint64_t)options->epoch_ms << ID_SHIFT,
                                    .seed = (uint64_t)options->epoch_ms,
                                    .closed = on_batch_closed,
                                    .evicted = on_evicted,
                                    .arg = send};
    send->outbox = outbox_new(&outbox);
    send_notes_init(&send->notes, options->metrics, send->outbox);
    send->key = mem_text(options->key);
    send->rows_max = options->rows_max;
    uv_timer_init(options->loop, &send->timer);
    send->timer.data = send;
    int result = *options->backend ? open_backend(send, options, error, error_bytes)
                                   : open_stores(send, options, error, error_bytes);
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
    send_notes_snapshot(&send->notes);
    if (outbox_next_id(send->outbox) != next_id)
        pump(send);
}

void
snapshot_send_close(struct snapshot_send *send)
{
    outbox_seal(send->outbox);
    send_notes_window(&send->notes);
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
    store_send_destroy(&old->stores);
    outbox_destroy(&old->outbox);
    explicit_bzero(old->key, strlen(old->key));
    free(old->key);
    uv_close((uv_handle_t *)&old->timer, on_closed);
}
