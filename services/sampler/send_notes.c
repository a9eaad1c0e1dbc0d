/* In: what is sent and answered. Out: metrics, and log lines at a limited rate. */
#include "clock.h"
#include "sampler_metrics.h"
#include "send_notes.h"

#define LOG_MS 10000

void
send_notes_init(struct send_notes *notes, struct metrics *metrics, const struct outbox *outbox)
{
    *notes = (struct send_notes){
        .metrics = metrics, .outbox = outbox, .next = {.first_id = outbox_next_id(outbox)}};
}

void
send_notes_sent(struct send_notes *notes, const struct outbox_batch *batch)
{
    metrics_add(notes->metrics, batch->attempt == 1 ? METRIC_BATCHES : METRIC_REPEATS, 1);
}

void
send_notes_report(struct send_notes *notes)
{
    struct send_report *report = &notes->report;
    if (!report->open)
        return;
    report->open = false;
    log_info("sampler.sent", "viewer analytics sent", LOG_INT("snapshots", report->snapshots),
             LOG_INT("batches", report->batches), LOG_INT("acknowledged", report->acknowledged),
             LOG_INT("held_rows", (int64_t)outbox_rows(notes->outbox)));
}

void
send_notes_room(struct send_notes *notes)
{
    int64_t suppressed, dropped = (int64_t)outbox_dropped(notes->outbox);
    metrics_set(notes->metrics, METRIC_OUTBOX_ROWS, (int64_t)outbox_rows(notes->outbox));
    metrics_set(notes->metrics, METRIC_OUTBOX_BATCHES, (int64_t)outbox_batches(notes->outbox));
    metrics_set(notes->metrics, METRIC_DROPPED_ROOM, dropped);
    if (dropped == notes->dropped ||
        !log_allowed(&notes->room_limit, clock_mono_ms(), LOG_MS, &suppressed))
        return;
    log_error("sampler.dropped", "snapshots are lost: no store takes them and the room is full",
              LOG_INT("rows", dropped - notes->dropped),
              LOG_INT("held_rows", (int64_t)outbox_rows(notes->outbox)));
    notes->dropped = dropped;
}

static void
log_refusals(struct send_notes *notes, const struct ack *ack, const struct outbox_batch *batch)
{
    int64_t suppressed;
    for (size_t i = 0; i < ack->refused; i++) {
        const struct refusal *refusal = &ack->refusals[i];
        const char *auction =
            refusal->row < batch->row_count ? batch->rows[refusal->row].auction : "?";
        if (log_allowed(&notes->refused_limit, clock_mono_ms(), LOG_MS, &suppressed))
            log_error("sampler.refused", "the store refuses a snapshot; it is dropped",
                      LOG_STR("auction", auction), LOG_STR("reason", refusal->reason),
                      LOG_INT("suppressed", suppressed));
    }
}

static void
note_done(struct send_notes *notes, const struct ack *ack, const struct outbox_batch *batch)
{
    metrics_add(notes->metrics, METRIC_ROWS_SAVED, (int64_t)ack->saved);
    metrics_add(notes->metrics, METRIC_ROWS_KEPT, (int64_t)ack->kept);
    metrics_add(notes->metrics, METRIC_ROWS_IGNORED, (int64_t)ack->ignored);
    metrics_add(notes->metrics, METRIC_ROWS_SPOOLED, (int64_t)ack->spooled);
    metrics_add(notes->metrics, METRIC_ROWS_REFUSED, (int64_t)ack->refused);
    log_refusals(notes, ack, batch);
    if (batch->id >= notes->next.first_id)
        notes->next.acknowledged++;
    else if (batch->id >= notes->report.first_id)
        notes->report.acknowledged++;
    if (notes->report.acknowledged == notes->report.batches)
        send_notes_report(notes);
}

static void
note_invalid(struct send_notes *notes, const struct ack *ack, const struct outbox_batch *batch)
{
    metrics_add(notes->metrics, METRIC_DROPPED_INVALID, (int64_t)batch->row_count);
    log_error("sampler.invalid", "the store cannot read a batch; it is dropped",
              LOG_STR("message", ack->message), LOG_INT("rows", (int64_t)batch->row_count));
}

static void
note_later(struct send_notes *notes, const struct ack *ack)
{
    int64_t suppressed;
    if (!log_allowed(&notes->answer_limit, clock_mono_ms(), LOG_MS, &suppressed))
        return;
    struct log_field fields[] = {LOG_STR("code", ack_code_text(ack->code)),
                                 LOG_STR("message", ack->message),
                                 LOG_INT("held_rows", (int64_t)outbox_rows(notes->outbox)),
                                 LOG_INT("suppressed", suppressed), LOG_NONE};
    log_write(ack->code == ACK_UNAVAILABLE ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR,
              "sampler.not_taken", "a store does not take snapshots; they are kept", fields);
}

void
send_notes_answer(struct send_notes *notes, enum outbox_verdict verdict, const struct ack *ack,
                  const struct outbox_batch *batch)
{
    metrics_add(notes->metrics, METRIC_ACKS_OK + ack->code, 1);
    switch (verdict) {
    case OUTBOX_DONE:
        note_done(notes, ack, batch);
        break;
    case OUTBOX_INVALID:
        note_invalid(notes, ack, batch);
        break;
    case OUTBOX_LATER:
        note_later(notes, ack);
        break;
    case OUTBOX_UNKNOWN:
        metrics_add(notes->metrics, METRIC_ACKS_UNKNOWN, 1);
        break;
    }
}

void
send_notes_snapshot(struct send_notes *notes)
{
    metrics_add(notes->metrics, METRIC_SNAPSHOTS, 1);
    notes->next.snapshots++;
}

void
send_notes_window(struct send_notes *notes)
{
    send_notes_report(notes);
    notes->report = notes->next;
    notes->next = (struct send_report){.first_id = outbox_next_id(notes->outbox)};
    notes->report.batches = (int64_t)(notes->next.first_id - notes->report.first_id);
    notes->report.open = notes->report.snapshots;
    if (notes->report.acknowledged == notes->report.batches)
        send_notes_report(notes);
}
