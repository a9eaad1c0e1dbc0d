/* The outbox: each answer by hand, then a store that loses, delays and doubles at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "mem.h"

#include "chance.h"
#include "outbox.h"

#define FIRST_ID 1000
#define RETRY_MS 500
#define RETRY_MAX_MS 10000

static struct outbox *
make_outbox(size_t rows_max)
{
    struct outbox_options options = {.rows_max = rows_max,
                                     .retry_ms = RETRY_MS,
                                     .retry_max_ms = RETRY_MAX_MS,
                                     .first_id = FIRST_ID,
                                     .seed = 7};
    return outbox_new(&options);
}

static void
add_rows(struct outbox *outbox, int64_t first, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        struct snapshot row = {.auction = "a", .timestamp_ms = first + i};
        outbox_add(outbox, &row);
    }
}

static void
test_batches(void **state)
{
    struct outbox *outbox = make_outbox(100000);
    struct outbox_batch batch;
    (void)state;
    outbox_seal(outbox);
    assert_false(outbox_next(outbox, 0, &batch));
    assert_int_equal(outbox_wait_ms(outbox, 0), -1);
    add_rows(outbox, 0, 999);
    assert_false(outbox_next(outbox, 0, &batch));
    add_rows(outbox, 999, 501);
    assert_int_equal(outbox_wait_ms(outbox, 0), 0);
    assert_true(outbox_next(outbox, 0, &batch));
    assert_int_equal(batch.id, FIRST_ID);
    assert_int_equal(batch.row_count, BATCH_ROWS_MAX);
    assert_int_equal(batch.rows[999].timestamp_ms, 999);
    assert_false(outbox_next(outbox, 0, &batch));
    outbox_seal(outbox);
    assert_true(outbox_next(outbox, 0, &batch));
    assert_int_equal(batch.row_count, 500);
    assert_int_equal(outbox_rows(outbox), 1500);
    assert_int_equal(outbox_batches(outbox), 2);
    outbox_destroy(&outbox);
    outbox_destroy(&outbox);
}

static void
test_repeats_until_acknowledged(void **state)
{
    struct outbox *outbox = make_outbox(100000);
    struct outbox_batch batch;
    int64_t mono_ms = 0, last_wait_ms = 0;
    (void)state;
    add_rows(outbox, 0, 3);
    outbox_seal(outbox);
    for (int attempt = 1; attempt < 12; attempt++) {
        assert_true(outbox_next(outbox, mono_ms, &batch));
        assert_int_equal(batch.id, FIRST_ID);
        assert_int_equal(batch.attempt, attempt);
        assert_int_equal(batch.row_count, 3);
        int64_t wait_ms = outbox_wait_ms(outbox, mono_ms);
        assert_in_range(wait_ms, RETRY_MS / 2, RETRY_MAX_MS);
        assert_false(outbox_next(outbox, mono_ms + wait_ms - 1, &batch));
        if (attempt > 5)
            assert_true(wait_ms >= RETRY_MAX_MS / 2);
        assert_true(attempt == 1 || wait_ms != last_wait_ms);
        last_wait_ms = wait_ms;
        mono_ms += wait_ms;
    }
    assert_int_equal(outbox_answer(outbox, FIRST_ID, ACK_OK, mono_ms, &batch), OUTBOX_DONE);
    assert_int_equal(batch.row_count, 3);
    assert_int_equal(outbox_answer(outbox, FIRST_ID, ACK_OK, mono_ms, &batch), OUTBOX_UNKNOWN);
    assert_int_equal(outbox_rows(outbox), 0);
    assert_int_equal(outbox_wait_ms(outbox, mono_ms), -1);
    outbox_destroy(&outbox);
}

static void
test_answers(void **state)
{
    struct outbox *outbox = make_outbox(100000);
    struct outbox_batch batch;
    (void)state;
    add_rows(outbox, 0, 1);
    outbox_seal(outbox);
    assert_int_equal(outbox_answer(outbox, FIRST_ID, ACK_OK, 0, &batch), OUTBOX_UNKNOWN);
    assert_true(outbox_next(outbox, 0, &batch));
    assert_int_equal(outbox_answer(outbox, FIRST_ID, ACK_UNAVAILABLE, 10, &batch),
                     OUTBOX_LATER);
    assert_in_range(outbox_wait_ms(outbox, 10), RETRY_MS / 2, RETRY_MS);
    assert_true(outbox_next(outbox, 1000, &batch));
    assert_int_equal(outbox_answer(outbox, FIRST_ID, ACK_UNAUTHORIZED, 1000, &batch),
                     OUTBOX_LATER);
    assert_in_range(outbox_wait_ms(outbox, 1000), OUTBOX_REFUSED_MS / 2, OUTBOX_REFUSED_MS);
    assert_true(outbox_next(outbox, 40000, &batch));
    assert_int_equal(outbox_answer(outbox, FIRST_ID, ACK_VERSION, 40000, &batch), OUTBOX_LATER);
    assert_in_range(outbox_wait_ms(outbox, 40000), OUTBOX_REFUSED_MS / 2, OUTBOX_REFUSED_MS);
    assert_true(outbox_next(outbox, 80000, &batch));
    assert_int_equal(batch.attempt, 4);
    assert_int_equal(outbox_answer(outbox, FIRST_ID, ACK_INVALID, 80000, &batch),
                     OUTBOX_INVALID);
    assert_int_equal(batch.row_count, 1);
    assert_int_equal(outbox_rows(outbox), 0);
    outbox_destroy(&outbox);
}

/* What could not be sent is no attempt, and what waits goes on when the store works again. */
static void
test_unsent_and_hurry(void **state)
{
    struct outbox *outbox = make_outbox(100000);
    struct outbox_batch batch;
    (void)state;
    add_rows(outbox, 0, 1);
    outbox_seal(outbox);
    add_rows(outbox, 1, 1);
    outbox_seal(outbox);
    assert_true(outbox_next(outbox, 0, &batch));
    outbox_unsent(outbox, FIRST_ID, 0);
    assert_true(outbox_next(outbox, 0, &batch));
    assert_int_equal(batch.id, FIRST_ID + 1);
    assert_int_equal(outbox_wait_ms(outbox, 0), OUTBOX_UNSENT_MS);
    assert_true(outbox_next(outbox, OUTBOX_UNSENT_MS, &batch));
    assert_int_equal(batch.id, FIRST_ID);
    assert_int_equal(batch.attempt, 1);
    outbox_answer(outbox, FIRST_ID, ACK_UNAUTHORIZED, 300, &batch);
    assert_true(outbox_wait_ms(outbox, 300) > 0);
    assert_int_equal(outbox_answer(outbox, FIRST_ID + 1, ACK_OK, 300, &batch), OUTBOX_DONE);
    assert_int_equal(outbox_wait_ms(outbox, 300), 0);
    outbox_destroy(&outbox);
}

static void
test_room(void **state)
{
    struct outbox *outbox = make_outbox(2500);
    struct outbox_batch batch;
    (void)state;
    add_rows(outbox, 0, 2500);
    assert_true(outbox_next(outbox, 0, &batch));
    assert_int_equal(outbox_dropped(outbox), 0);
    add_rows(outbox, 2500, 1);
    assert_int_equal(outbox_dropped(outbox), BATCH_ROWS_MAX); /* the oldest, under way or not */
    assert_int_equal(outbox_rows(outbox), 1501);
    assert_int_equal(outbox_answer(outbox, FIRST_ID, ACK_OK, 0, &batch), OUTBOX_UNKNOWN);
    assert_true(outbox_next(outbox, 0, &batch));
    assert_int_equal(batch.rows[0].timestamp_ms, 1000);
    outbox_destroy(&outbox);
}

static void
test_few_under_way(void **state)
{
    struct outbox *outbox = make_outbox(100000);
    struct outbox_batch batch;
    (void)state;
    for (int i = 0; i < OUTBOX_SENT_MAX + 5; i++) {
        add_rows(outbox, i, 1);
        outbox_seal(outbox);
    }
    for (int i = 0; i < OUTBOX_SENT_MAX; i++)
        assert_true(outbox_next(outbox, 0, &batch));
    assert_false(outbox_next(outbox, 0, &batch));
    assert_true(outbox_wait_ms(outbox, 0) > 0);
    outbox_answer(outbox, FIRST_ID + 3, ACK_OK, 0, &batch);
    assert_true(outbox_next(outbox, 0, &batch));
    assert_int_equal(batch.id, FIRST_ID + OUTBOX_SENT_MAX);
    outbox_destroy(&outbox);
}

/* A store at random: what is under way to it and from it may be lost, late or doubled. */
#define ROWS 3000
#define MAIL 64

struct letter {
    bool full;
    int64_t arrives_ms;
    uint64_t id;
    enum ack_code code;
};

struct trial {
    struct chance chance;
    struct outbox *outbox;
    struct letter mail[MAIL];    /* acknowledgements on their way */
    int saved[ROWS];             /* how often the store has saved a row */
    bool done[ROWS];             /* acknowledged to the sampler */
    int64_t first_row[ROWS + 1]; /* by batch: its first row, plus one */
};

static void
post(struct trial *trial, uint64_t id, enum ack_code code, int64_t arrives_ms)
{
    for (int i = 0; i < MAIL; i++) {
        if (trial->mail[i].full)
            continue;
        trial->mail[i] = (struct letter){true, arrives_ms, id, code};
        return;
    }
}

static void
reach_store(struct trial *trial, const struct outbox_batch *batch, int64_t mono_ms)
{
    uint64_t index = batch->id - FIRST_ID;
    assert_true(index < ROWS);
    if (!trial->first_row[index])
        trial->first_row[index] = batch->rows[0].timestamp_ms + 1;
    assert_int_equal(trial->first_row[index], batch->rows[0].timestamp_ms + 1);
    for (size_t i = 0; i < batch->row_count; i++)
        assert_false(trial->done[batch->rows[i].timestamp_ms]); /* never after its ok */
    if (chance_percent(&trial->chance, 20))
        return; /* lost on the way there */
    enum ack_code code = chance_percent(&trial->chance, 15) ? ACK_UNAVAILABLE : ACK_OK;
    for (size_t i = 0; code == ACK_OK && i < batch->row_count; i++)
        trial->saved[batch->rows[i].timestamp_ms]++;
    for (int copy = 0; copy < 2; copy++) {
        if (chance_percent(&trial->chance, copy ? 20 : 80)) /* doubled; not lost */
            post(trial, batch->id, code, mono_ms + (int64_t)chance_below(&trial->chance, 2000));
    }
}

static void
read_mail(struct trial *trial, int64_t mono_ms)
{
    for (int i = 0; i < MAIL; i++) {
        struct letter *letter = &trial->mail[i];
        struct outbox_batch batch;
        if (!letter->full || letter->arrives_ms > mono_ms)
            continue;
        letter->full = false;
        if (outbox_answer(trial->outbox, letter->id, letter->code, mono_ms, &batch) !=
            OUTBOX_DONE)
            continue;
        assert_int_equal(batch.id, letter->id);
        for (size_t row = 0; row < batch.row_count; row++)
            trial->done[batch.rows[row].timestamp_ms] = true;
    }
}

static void
test_random_store(void **state)
{
    uint64_t seed = chance_seed("outbox");
    (void)state;
    for (unsigned run = 0; run < 40; run++) {
        struct trial *trial = mem_alloc(sizeof *trial);
        int64_t mono_ms = 0, added = 0;
        struct outbox_batch batch;
        trial->chance.state = seed + run;
        trial->outbox = make_outbox(100000);
        while (added < ROWS || outbox_rows(trial->outbox)) {
            if (added < ROWS && chance_percent(&trial->chance, 10)) {
                int64_t count = 1 + (int64_t)chance_below(&trial->chance, 200);
                count = added + count > ROWS ? ROWS - added : count;
                add_rows(trial->outbox, added, count);
                outbox_seal(trial->outbox);
                added += count;
            }
            bool due = outbox_wait_ms(trial->outbox, mono_ms) == 0;
            assert_int_equal(outbox_next(trial->outbox, mono_ms, &batch), due);
            if (due)
                reach_store(trial, &batch, mono_ms);
            read_mail(trial, mono_ms);
            mono_ms += (int64_t)chance_below(&trial->chance, 50);
            assert_true(mono_ms < 10000000);
        }
        for (int i = 0; i < ROWS; i++) {
            assert_true(trial->saved[i] >= 1);
            assert_true(trial->done[i]);
        }
        assert_int_equal(outbox_batches(trial->outbox), 0);
        outbox_destroy(&trial->outbox);
        free(trial);
    }
}

struct elsewhere {
    uint64_t closed[8], evicted[8];
    size_t closed_count, evicted_count;
    size_t rows;
    bool safe;
};

static void
note_closed(void *arg, const struct outbox_batch *batch)
{
    struct elsewhere *elsewhere = arg;
    elsewhere->closed[elsewhere->closed_count++] = batch->id;
    elsewhere->rows += batch->row_count;
}

static bool
note_evicted(void *arg, uint64_t id)
{
    struct elsewhere *elsewhere = arg;
    elsewhere->evicted[elsewhere->evicted_count++] = id;
    return elsewhere->safe;
}

static void
test_a_copy_elsewhere(void **state)
{
    struct elsewhere elsewhere = {.safe = true};
    struct outbox_options options = {.rows_max = 2000,
                                     .retry_ms = RETRY_MS,
                                     .retry_max_ms = RETRY_MAX_MS,
                                     .first_id = FIRST_ID,
                                     .seed = 7,
                                     .closed = note_closed,
                                     .evicted = note_evicted,
                                     .arg = &elsewhere};
    struct outbox *outbox = outbox_new(&options);
    struct outbox_batch batch;
    (void)state;
    add_rows(outbox, 0, 2001);
    assert_int_equal(elsewhere.closed_count, 2);
    assert_int_equal(elsewhere.rows, 2000);
    assert_int_equal(elsewhere.evicted_count, 1);
    assert_int_equal(elsewhere.evicted[0], FIRST_ID);
    assert_int_equal(outbox_dropped(outbox), 0);
    elsewhere.safe = false;
    add_rows(outbox, 2001, 1000);
    assert_int_equal(elsewhere.evicted_count, 2);
    assert_int_equal(outbox_dropped(outbox), 1000);

    struct snapshot *rows = mem_alloc(3 * sizeof *rows);
    rows[2].timestamp_ms = 77;
    uint64_t id = outbox_restore(outbox, rows, 3);
    assert_int_equal(elsewhere.closed_count, 3); /* what comes back is not told of */
    while (outbox_next(outbox, 0, &batch) && batch.id != id)
        ;
    assert_int_equal(batch.row_count, 3);
    assert_int_equal(batch.rows[2].timestamp_ms, 77);
    assert_int_equal(outbox_answer(outbox, id, ACK_OK, 0, &batch), OUTBOX_DONE);
    assert_int_equal(outbox_rows(outbox), 1001);
    outbox_destroy(&outbox);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches),      cmocka_unit_test(test_repeats_until_acknowledged),
        cmocka_unit_test(test_answers),      cmocka_unit_test(test_unsent_and_hurry),
        cmocka_unit_test(test_room),         cmocka_unit_test(test_few_under_way),
        cmocka_unit_test(test_random_store), cmocka_unit_test(test_a_copy_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
