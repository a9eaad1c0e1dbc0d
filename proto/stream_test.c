/* The rules of "What a reader must do", one by one, for events and counts alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "stream.h"

#define SHARD 7
#define EPOCH 1000

/* One reader of one node, and what came of the last message. */
struct reader {
    struct stream stream;
    int64_t time_ms; /* of the next message */
    uint32_t mark;
    bool gap;
    bool behind[SHARD_COUNT];
    bool restarted;
};

/* Of as many states, all of the auction that the messages here leave unnamed. */
static uint64_t
check_of(uint64_t states)
{
    return states * auction_check("");
}

static enum stream_verdict
take_of(struct reader *reader, int64_t epoch_ms, enum change_kind change, uint64_t sequence,
        uint64_t states)
{
    struct message message = {.kind = MESSAGE_EVENT,
                              .shard = SHARD,
                              .epoch_ms = epoch_ms,
                              .time_ms = reader->time_ms,
                              .change = change,
                              .sequence = sequence,
                              .joins = change == CHANGE_END ? check_of(states) : states};
    struct reader other = *reader;
    enum stream_verdict verdict =
        stream_take(&reader->stream, &message, &reader->mark, &reader->gap);
    message.kind = MESSAGE_COUNT;
    message.count = message.joins;
    assert_int_equal(stream_take(&other.stream, &message, &other.mark, &other.gap), verdict);
    assert_memory_equal(&other.stream, &reader->stream, sizeof other.stream);
    assert_int_equal(other.mark, reader->mark);
    assert_int_equal(other.gap, reader->gap);
    return verdict;
}

static enum stream_verdict
take(struct reader *reader, enum change_kind change, uint64_t sequence, uint64_t states)
{
    return take_of(reader, EPOCH, change, sequence, states);
}

static unsigned
beat(struct reader *reader, int64_t epoch_ms, uint64_t sequence)
{
    struct message message = {.kind = MESSAGE_HEARTBEAT, .epoch_ms = epoch_ms};
    message.sequences[SHARD] = sequence;
    unsigned count =
        stream_heartbeat(&reader->stream, &message, reader->behind, &reader->restarted);
    assert_int_equal(count, reader->behind[SHARD]);
    return count;
}

/* A reader that has had its answer at sequence 5. */
static struct reader
synced(void)
{
    struct reader reader = {0};
    assert_int_equal(take(&reader, CHANGE_BEGIN, 5, 0), STREAM_RESTART);
    assert_int_equal(take(&reader, CHANGE_STATE, 5, 0), STREAM_APPLY);
    assert_int_equal(take(&reader, CHANGE_END, 5, 1), STREAM_SWEEP);
    assert_true(stream_whole(&reader.stream));
    assert_false(reader.gap);
    return reader;
}

static void
test_restart(void **state)
{
    (void)state;
    struct reader reader = synced();
    assert_int_equal(take_of(&reader, EPOCH - 1, CHANGE_JOIN, 6, 0), STREAM_IGNORE);
    assert_int_equal(take(&reader, CHANGE_JOIN, 6, 0), STREAM_APPLY);
    assert_int_equal(take_of(&reader, EPOCH + 1, CHANGE_JOIN, 1, 0), STREAM_RESTART);
    assert_false(reader.gap); /* its first: nothing can have been missed */
    assert_true(stream_whole(&reader.stream));
    assert_int_equal(take_of(&reader, EPOCH + 2, CHANGE_JOIN, 2, 0), STREAM_RESTART);
    assert_true(reader.gap);
    assert_false(stream_whole(&reader.stream));
    assert_int_equal(take_of(&reader, EPOCH + 1, CHANGE_END, 9, 0), STREAM_IGNORE);
    assert_int_equal(beat(&reader, EPOCH + 1, 99), 0);
    assert_false(reader.restarted);
    assert_int_equal(beat(&reader, EPOCH + 3, 4), 1);
    assert_true(reader.restarted);
    assert_int_equal(beat(&reader, EPOCH + 4, 0), 0);
    assert_true(reader.restarted);
    assert_true(stream_whole(&reader.stream));
}

static void
test_first_heard(void **state)
{
    (void)state;
    struct reader reader = {0};
    assert_true(stream_whole(&reader.stream));
    assert_int_equal(take(&reader, CHANGE_JOIN, 1, 0), STREAM_RESTART);
    assert_false(reader.gap);
    reader = (struct reader){0};
    assert_int_equal(take(&reader, CHANGE_LEAVE, 40, 0), STREAM_RESTART);
    assert_true(reader.gap);
    reader = (struct reader){0};
    assert_int_equal(take(&reader, CHANGE_END, 40, 3), STREAM_RESTART);
    assert_true(reader.gap);
}

static void
test_late_and_doubled(void **state)
{
    (void)state;
    struct reader reader = synced();
    assert_int_equal(take(&reader, CHANGE_JOIN, 5, 0), STREAM_IGNORE);
    assert_int_equal(take(&reader, CHANGE_JOIN, 2, 0), STREAM_IGNORE);
    assert_int_equal(take(&reader, CHANGE_STATE, 3, 0), STREAM_APPLY);
    assert_false(reader.gap);
    assert_true(stream_whole(&reader.stream));
    assert_int_equal(take(&reader, CHANGE_JOIN, 9, 0), STREAM_APPLY);
    assert_int_equal(take(&reader, CHANGE_JOIN, 7, 0),
                     STREAM_APPLY); /* may be what is missing */
    assert_false(stream_whole(&reader.stream));
}

static void
test_gap(void **state)
{
    (void)state;
    struct reader reader = synced();
    assert_int_equal(take(&reader, CHANGE_JOIN, 7, 0), STREAM_APPLY);
    assert_true(reader.gap);
    assert_false(stream_whole(&reader.stream));
    assert_int_equal(take(&reader, CHANGE_JOIN, 8, 0), STREAM_APPLY);
    assert_false(reader.gap); /* told once; heartbeats repeat it */
    assert_false(stream_whole(&reader.stream));
    assert_int_equal(take(&reader, CHANGE_BEGIN, 8, 0), STREAM_IGNORE);
    assert_int_equal(take(&reader, CHANGE_JOIN, 9, 0), STREAM_APPLY);
    assert_int_equal(take(&reader, CHANGE_END, 9, 0), STREAM_SWEEP);
    assert_true(stream_whole(&reader.stream));
    assert_int_equal(take(&reader, CHANGE_STATE, 11, 0),
                     STREAM_APPLY); /* a state shows it too */
    assert_true(reader.gap);
    assert_false(stream_whole(&reader.stream));
}

static void
test_gap_within_an_answer(void **state)
{
    (void)state;
    struct reader reader = synced();
    take(&reader, CHANGE_BEGIN, 5, 0);
    take(&reader, CHANGE_STATE, 5, 0);
    take(&reader, CHANGE_JOIN, 7, 0);
    assert_true(reader.gap);
    assert_int_equal(take(&reader, CHANGE_END, 7, 1), STREAM_IGNORE);
    assert_true(reader.gap);
    reader = synced();
    take(&reader, CHANGE_BEGIN, 5, 0);
    take(&reader, CHANGE_STATE, 5, 0);
    assert_int_equal(take(&reader, CHANGE_END, 6, 1),
                     STREAM_IGNORE); /* a join before the end */
    assert_true(reader.gap);
    assert_false(stream_whole(&reader.stream));
}

static void
test_sweep(void **state)
{
    (void)state;
    struct reader reader = synced();
    uint32_t before = reader.mark;
    take(&reader, CHANGE_BEGIN, 6, 0); /* 6 itself was lost: the answer heals it */
    assert_false(reader.gap);
    assert_false(stream_whole(&reader.stream));
    assert_int_equal(reader.mark, before + 1);
    take(&reader, CHANGE_STATE, 6, 0);
    assert_int_equal(reader.mark, before + 1);
    assert_int_equal(take(&reader, CHANGE_END, 6, 1), STREAM_SWEEP);
    assert_int_equal(reader.mark, before + 1);
    assert_true(stream_whole(&reader.stream));
}

static void
test_states_missing(void **state)
{
    (void)state;
    struct reader reader = {0};
    take(&reader, CHANGE_BEGIN, 5, 0);
    take(&reader, CHANGE_STATE, 5, 0);
    assert_int_equal(take(&reader, CHANGE_END, 5, 2), STREAM_IGNORE);
    assert_true(reader.gap);
    take(&reader, CHANGE_BEGIN, 5, 0);
    take(&reader, CHANGE_STATE, 5, 0);
    take(&reader, CHANGE_STATE, 5, 0);
    assert_int_equal(take(&reader, CHANGE_END, 5, 1), STREAM_IGNORE); /* one too many */
    assert_true(reader.gap);
    reader = synced();
    assert_int_equal(take(&reader, CHANGE_END, 5, 2), STREAM_IGNORE); /* for others, unseen */
    assert_false(reader.gap);
    assert_true(stream_whole(&reader.stream));
}

static void
test_begin_again(void **state)
{
    (void)state;
    struct reader reader = {0};
    take(&reader, CHANGE_BEGIN, 5, 0);
    take(&reader, CHANGE_STATE, 5, 0);
    uint32_t first = reader.mark;
    take(&reader, CHANGE_BEGIN, 5, 0);
    assert_int_equal(reader.mark, first + 1);
    take(&reader, CHANGE_STATE, 5, 0);
    assert_int_equal(take(&reader, CHANGE_END, 5, 1), STREAM_SWEEP);
}

/* The end of one answer and the beginning of the next were lost, and the states of both add up.
 */
static void
test_end_of_another_answer(void **state)
{
    (void)state;
    struct reader reader = {0};
    take(&reader, CHANGE_BEGIN, 5, 0);
    take(&reader, CHANGE_STATE, 5, 0);
    take(&reader, CHANGE_STATE, 5, 0);
    reader.time_ms++;
    assert_int_equal(take(&reader, CHANGE_END, 5, 2), STREAM_IGNORE);
    assert_false(stream_whole(&reader.stream));
}

static void
test_heartbeat(void **state)
{
    (void)state;
    struct reader reader = synced();
    assert_int_equal(beat(&reader, EPOCH, 5), 0);
    assert_false(reader.restarted);
    assert_int_equal(beat(&reader, EPOCH, 6), 1);
    assert_false(stream_whole(&reader.stream));
    assert_int_equal(beat(&reader, EPOCH, 6), 1); /* until it is answered */
    take(&reader, CHANGE_BEGIN, 6, 0);
    assert_int_equal(beat(&reader, EPOCH, 6), 0);
    take(&reader, CHANGE_STATE, 6, 0);
    assert_int_equal(beat(&reader, EPOCH, 6),
                     1); /* somebody else's states do not keep it waiting */
    take(&reader, CHANGE_STATE, 6, 0);
    assert_int_equal(take(&reader, CHANGE_END, 6, 2), STREAM_SWEEP);
    assert_int_equal(beat(&reader, EPOCH, 6), 0);
    take(&reader, CHANGE_BEGIN, 6, 0);
    assert_int_equal(beat(&reader, EPOCH, 7), 1); /* a change of the answer's time was lost */
    assert_int_equal(take(&reader, CHANGE_END, 7, 0), STREAM_IGNORE);
}

static void
test_unread(void **state)
{
    (void)state;
    struct reader reader = {0};
    reader.stream.shards[SHARD].unread = true;
    assert_int_equal(beat(&reader, EPOCH, 9), 0);
    assert_true(stream_whole(&reader.stream));
    assert_int_equal(beat(&reader, EPOCH + 1, 9), 0); /* outlives a restart */
    assert_true(stream_whole(&reader.stream));
}

static void
test_renew(void **state)
{
    (void)state;
    struct reader reader = synced();
    assert_true(stream_renew(&reader.stream, SHARD, 50000));
    assert_false(stream_renew(&reader.stream, SHARD, 50999));
    assert_true(stream_renew(&reader.stream, SHARD + 1, 50999));
    take_of(&reader, EPOCH + 1, CHANGE_JOIN, 9, 0);
    assert_false(stream_renew(&reader.stream, SHARD, 50999)); /* outlives a restart */
    assert_true(stream_renew(&reader.stream, SHARD, 51000));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_restart),
                                       cmocka_unit_test(test_first_heard),
                                       cmocka_unit_test(test_late_and_doubled),
                                       cmocka_unit_test(test_gap),
                                       cmocka_unit_test(test_gap_within_an_answer),
                                       cmocka_unit_test(test_sweep),
                                       cmocka_unit_test(test_states_missing),
                                       cmocka_unit_test(test_begin_again),
                                       cmocka_unit_test(test_end_of_another_answer),
                                       cmocka_unit_test(test_heartbeat),
                                       cmocka_unit_test(test_unread),
                                       cmocka_unit_test(test_renew)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
