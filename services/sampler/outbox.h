/* Batches of snapshots until a store has acknowledged them: which to send when, and what an
 * answer means. Pure: rows, answers and monotonic times in, batches and verdicts out. One
 * thread.
 *
 *             sent                    time-out, unavailable, unauthorized, version
 *     WAITING ────▶ SENT ─────────────────────────────────────▶ WAITING, until a later time
 *                     └── ok, invalid ──▶ gone
 *
 * A batch keeps its id for good. The time to the next attempt doubles from retry_ms to
 * retry_max_ms, less up to a half by chance. After an ok everything that waits is due.
 * Bounded: beyond rows_max the oldest batch is dropped, and counted unless it is safe
 * elsewhere. */
#ifndef OUTBOX_H
#define OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snapshot.h"
#include "store_request.h"

#define OUTBOX_SENT_MAX 16      /* batches under way at a time: the oldest */
#define OUTBOX_UNSENT_MS 250    /* to the next attempt when none could be made */
#define OUTBOX_REFUSED_MS 30000 /* after one that was refused: the key or the version */

struct outbox_batch {
    uint64_t id;
    const struct snapshot *rows;
    size_t row_count;
    int attempt; /* 1: the first */
};

struct outbox_options {
    size_t rows_max;      /* held at most, at least BATCH_ROWS_MAX */
    int64_t retry_ms;     /* how long to wait for the first acknowledgement */
    int64_t retry_max_ms; /* between attempts that are not answered, at least retry_ms */
    uint64_t first_id;    /* of the first batch; each next one is greater by one */
    uint64_t seed;        /* of the jitter */
    void (*closed)(void *arg, const struct outbox_batch *batch); /* NULL: nobody asks */
    bool (*evicted)(void *arg, uint64_t id); /* whether it is safe elsewhere; the same */
    void *arg;
};

struct outbox;

struct outbox *outbox_new(const struct outbox_options *options);
void outbox_destroy(struct outbox **outbox);

/* Adds a row to the open batch; a full one is closed. */
void outbox_add(struct outbox *outbox, const struct snapshot *row);

/* Closes the open batch, if there is one, so that it is sent. */
void outbox_seal(struct outbox *outbox);

/* Adds a closed batch, of an earlier run or evicted before; the rows become its own. Its id. */
uint64_t outbox_restore(struct outbox *outbox, struct snapshot *rows, size_t count);

/* The next batch to send, or false. It counts as sent at mono_ms; its rows stay valid until the
 * next call of another function here. */
bool outbox_next(struct outbox *outbox, int64_t mono_ms, struct outbox_batch *batch);

/* The batch that outbox_next() gave could not be sent: nobody is connected. */
void outbox_unsent(struct outbox *outbox, uint64_t id, int64_t mono_ms);

/* The reason why batches wait may be gone: those not under way are due. */
void outbox_hurry(struct outbox *outbox);

enum outbox_verdict {
    OUTBOX_UNKNOWN, /* no batch of that id is held: answered already, or dropped */
    OUTBOX_DONE,    /* safe with the store */
    OUTBOX_INVALID, /* the store cannot read it: given up */
    OUTBOX_LATER    /* tried again later */
};

/* What an acknowledgement says. While it is OUTBOX_DONE or OUTBOX_INVALID, *batch shows the
 * batch, valid until the next call of another function here. */
enum outbox_verdict outbox_answer(struct outbox *outbox, uint64_t id, enum ack_code code,
                                  int64_t mono_ms, struct outbox_batch *batch);

/* Milliseconds until outbox_next() has something, 0: now, -1: not before more rows come. */
int64_t outbox_wait_ms(const struct outbox *outbox, int64_t mono_ms);

uint64_t outbox_next_id(const struct outbox *outbox); /* of the next batch to be closed */
size_t outbox_rows(const struct outbox *outbox);      /* held */
size_t outbox_batches(const struct outbox *outbox);   /* held, the open one included */
uint64_t outbox_dropped(const struct outbox *outbox); /* rows dropped for room so far */

#endif
