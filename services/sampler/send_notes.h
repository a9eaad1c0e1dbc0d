/* What log and metrics tell of batches and of what was answered to them. Loop thread. */
#ifndef SEND_NOTES_H
#define SEND_NOTES_H

#include <stdbool.h>
#include <stdint.h>

#include "log.h"
#include "metrics.h"
#include "outbox.h"
#include "store_request.h"

/* What the log line of one window tells. */
struct send_report {
    int64_t snapshots, batches, acknowledged;
    uint64_t first_id; /* of its batches */
    bool open;         /* not logged yet */
};

struct send_notes {
    struct metrics *metrics;     /* borrowed for good */
    const struct outbox *outbox; /* the same */
    int64_t dropped;             /* rows dropped for room that were logged */
    struct send_report report;   /* of the window closed last */
    struct send_report next;     /* of the one whose snapshots come in */
    struct log_limit refused_limit, answer_limit, room_limit;
};

void send_notes_init(struct send_notes *notes, struct metrics *metrics,
                     const struct outbox *outbox);
void send_notes_sent(struct send_notes *notes, const struct outbox_batch *batch);
void send_notes_room(struct send_notes *notes);

/* What an acknowledgement meant; batch: for OUTBOX_DONE and OUTBOX_INVALID. */
void send_notes_answer(struct send_notes *notes, enum outbox_verdict verdict,
                       const struct ack *ack, const struct outbox_batch *batch);

/* A snapshot of the window that is open; and all of it were added, and are sealed. */
void send_notes_snapshot(struct send_notes *notes);
void send_notes_window(struct send_notes *notes);

/* Logs the last window's line if that was not done; a window has one. */
void send_notes_report(struct send_notes *notes);

#endif
