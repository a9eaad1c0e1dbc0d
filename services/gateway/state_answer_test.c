/* Answers to subscriptions: by hand, then an audience that changes between the steps while many
 * ask, read by a reader of proto/stream.c: whenever it holds a shard for whole, it has the
 * audience's figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "chance.h"
#include "mem.h"

#include "auction.h"
#include "state_answer.h"
#include "stream.h"

#define PAUSE_MS 100
#define AUCTIONS 400
#define VIEWERS 600
#define STEPS 200000

static void
want(struct state_answer *answer, const char *prefix)
{
    struct subscription subscription = subscription_read(MESSAGE_EVENT, prefix, strlen(prefix));
    state_answer_want(answer, &subscription);
}

static void
expect(struct state_answer *answer, int64_t now_ms, enum change_kind change,
       const char *auction, uint64_t joins)
{
    struct message message;
    assert_true(state_answer_step(answer, now_ms, &message));
    assert_int_equal(message.change, change);
    assert_string_equal(message.auction, auction);
    assert_int_equal(message.joins, joins);
}

static void
answers_one_auction(void **state)
{
    (void)state;
    struct audience *audience = audience_new(1, 100);
    struct state_answer *answer = state_answer_new(audience);
    struct viewer viewer = {0};
    struct message message;
    char topic[TOPIC_BYTES];
    audience_join(audience, "lot-1", &viewer);
    assert_false(state_answer_step(answer, 0, &message));
    topic_auction(MESSAGE_EVENT, "lot-1", topic);
    want(answer, topic);
    want(answer, topic);
    topic_auction(MESSAGE_EVENT, "nobody", topic);
    want(answer, topic);
    assert_true(state_answer_pending(answer));
    expect(answer, 0, CHANGE_STATE, "lot-1", 1);
    expect(answer, 0, CHANGE_STATE, "nobody", 0);
    assert_false(state_answer_step(answer, 0, &message));
    want(answer, "heartbeat/");
    want(answer, "snapshot/");
    assert_false(state_answer_pending(answer));
    audience_leave(audience, &viewer, 0);
    state_answer_destroy(&answer);
    audience_destroy(&audience);
}

static void
answers_a_shard_once(void **state)
{
    (void)state;
    struct audience *audience = audience_new(1, 100);
    struct state_answer *answer = state_answer_new(audience);
    struct viewer viewer = {0};
    struct message message;
    char topic[TOPIC_BYTES];
    struct auction *auction = audience_join(audience, "lot-1", &viewer);
    topic_shard(MESSAGE_EVENT, auction->shard, topic);
    want(answer, topic);
    want(answer, topic);
    expect(answer, 0, CHANGE_BEGIN, "", 0);
    want(answer, topic); /* during the answer: another one after it, not at once */
    expect(answer, 0, CHANGE_STATE, "lot-1", 1);
    expect(answer, 0, CHANGE_END, "", auction_check("lot-1"));
    assert_false(state_answer_step(answer, PAUSE_MS - 1, &message));
    assert_true(state_answer_pending(answer));
    expect(answer, PAUSE_MS, CHANGE_BEGIN, "", 0);
    audience_leave(audience, &viewer, 0);
    state_answer_forget(answer, auction); /* it was to be named next */
    audience_forget(audience, auction);
    expect(answer, PAUSE_MS, CHANGE_END, "", 0);
    assert_false(state_answer_pending(answer));
    state_answer_destroy(&answer);
    audience_destroy(&audience);
}

/* Whoever counts what comes between begin and end counts what others asked for, too. */
static void
an_answer_checks_what_others_asked_for(void **state)
{
    (void)state;
    struct audience *audience = audience_new(1, 100);
    struct state_answer *answer = state_answer_new(audience);
    struct viewer viewer = {0};
    struct message message = {0};
    char topic[TOPIC_BYTES];
    struct auction *auction = audience_join(audience, "lot-1", &viewer);
    uint64_t check = 0;
    topic_shard(MESSAGE_EVENT, auction->shard, topic);
    want(answer, topic);
    expect(answer, 0, CHANGE_BEGIN, "", 0);
    topic_auction(MESSAGE_EVENT, "lot-1", topic);
    want(answer, topic);
    for (int states = 0; message.change != CHANGE_END; states++) {
        assert_true(states < 3);
        assert_true(state_answer_step(answer, 0, &message));
        if (message.change == CHANGE_STATE)
            check += auction_check("lot-1");
    }
    assert_int_equal(check, 2 * auction_check("lot-1"));
    assert_int_equal(message.joins, check);
    audience_leave(audience, &viewer, 0);
    state_answer_destroy(&answer);
    audience_destroy(&audience);
}

static void
answers_everything(void **state)
{
    (void)state;
    struct audience *audience = audience_new(1, 100);
    struct state_answer *answer = state_answer_new(audience);
    struct message message;
    unsigned begun = 0, ended = 0;
    want(answer, "");
    want(answer, "event/");
    while (state_answer_step(answer, 0, &message)) {
        begun += message.change == CHANGE_BEGIN;
        ended += message.change == CHANGE_END;
    }
    assert_int_equal(begun, SHARD_COUNT);
    assert_int_equal(ended, SHARD_COUNT);
    assert_false(state_answer_pending(answer));
    state_answer_destroy(&answer);
    audience_destroy(&audience);
}

/* More single auctions than the queue holds: their shards are answered instead. */
static void
full_queue_becomes_shards(void **state)
{
    (void)state;
    struct audience *audience = audience_new(1, 100);
    struct state_answer *answer = state_answer_new(audience);
    struct message message;
    char topic[TOPIC_BYTES], id[AUCTION_BYTES];
    unsigned states = 0, begun = 0;
    for (int i = 0; i < 1100; i++) {
        snprintf(id, sizeof id, "lot-%d", i);
        topic_auction(MESSAGE_EVENT, id, topic);
        want(answer, topic);
    }
    while (state_answer_step(answer, 0, &message)) {
        states += message.change == CHANGE_STATE;
        begun += message.change == CHANGE_BEGIN;
    }
    assert_int_equal(states, 1024);
    assert_in_range(begun, 1, 76);
    state_answer_destroy(&answer);
    audience_destroy(&audience);
}

struct figure {
    uint64_t joins, leaves;
    uint32_t mark;
    bool known;
};

struct world {
    struct audience *audience;
    struct state_answer *answer;
    struct viewer viewers[VIEWERS];
    uint64_t sequences[SHARD_COUNT];
    struct stream stream;
    struct figure figures[AUCTIONS];
    int64_t now_ms;
    int64_t answers; /* begun */
    int loss;        /* one message in so many is lost; 0: none */
};

static const char *
name_auction(int i)
{
    static char names[AUCTIONS][16];
    if (!*names[i])
        snprintf(names[i], sizeof *names, "lot-%d", i);
    return names[i];
}

/* The reader's side. */
static void
read_message(struct world *world, const struct message *message)
{
    uint32_t mark;
    bool gap;
    enum stream_verdict verdict = stream_take(&world->stream, message, &mark, &gap);
    int i = *message->auction ? atoi(message->auction + 4) : -1;
    if ((verdict == STREAM_APPLY || verdict == STREAM_RESTART) && i >= 0) {
        struct figure *figure = &world->figures[i];
        figure->joins = figure->joins > message->joins ? figure->joins : message->joins;
        figure->leaves = figure->leaves > message->leaves ? figure->leaves : message->leaves;
        figure->mark = mark;
        figure->known = true;
    }
    for (i = 0; verdict == STREAM_SWEEP && i < AUCTIONS; i++) {
        struct figure *figure = &world->figures[i];
        if (figure->known && auction_shard(name_auction(i)) == message->shard &&
            figure->mark != mark)
            figure->joins = figure->leaves; /* nobody is there any more */
    }
    char topic[TOPIC_BYTES];
    topic_shard(MESSAGE_EVENT, message->shard, topic);
    if (gap && stream_renew(&world->stream, message->shard, world->now_ms))
        want(world->answer, topic);
}

static void
publish(struct world *world, struct chance *chance, struct message *message)
{
    message->kind = MESSAGE_EVENT;
    message->epoch_ms = 1;
    world->answers += message->change == CHANGE_BEGIN;
    message->time_ms = world->answers; /* an end repeats the time of its begin */
    message->sequence = world->sequences[message->shard];
    if (!world->loss || chance_below(chance, (uint64_t)world->loss))
        read_message(world, message);
}

static void
move_viewer(struct world *world, struct chance *chance)
{
    struct viewer *viewer = &world->viewers[chance_below(chance, VIEWERS)];
    struct message message = {0};
    bool leaving = viewer->auction;
    struct auction *auction =
        leaving ? audience_leave(world->audience, viewer, world->now_ms)
                : audience_join(world->audience,
                                name_auction((int)chance_below(chance, AUCTIONS)), viewer);
    strcpy(message.auction, auction->id);
    message.shard = auction->shard;
    message.change = leaving ? CHANGE_LEAVE : CHANGE_JOIN;
    message.joins = auction->joins;
    message.leaves = auction->leaves;
    world->sequences[auction->shard]++;
    publish(world, chance, &message);
    struct auction *old;
    while ((old = audience_forgettable(world->audience, world->now_ms))) {
        state_answer_forget(world->answer, old);
        audience_forget(world->audience, old);
    }
}

static void
say_heartbeat(struct world *world)
{
    struct message message = {.kind = MESSAGE_HEARTBEAT, .epoch_ms = 1};
    bool behind[SHARD_COUNT] = {false}, restarted;
    char topic[TOPIC_BYTES];
    memcpy(message.sequences, world->sequences, sizeof message.sequences);
    stream_heartbeat(&world->stream, &message, behind, &restarted);
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++) {
        topic_shard(MESSAGE_EVENT, shard, topic);
        if (behind[shard] && stream_renew(&world->stream, shard, world->now_ms))
            want(world->answer, topic);
    }
}

static void
answer_some(struct world *world, struct chance *chance, uint64_t steps)
{
    struct message message;
    while (steps-- && state_answer_step(world->answer, world->now_ms, &message))
        publish(world, chance, &message);
}

static void
readers_have_the_truth(void **state)
{
    (void)state;
    struct chance chance = {chance_seed("state_answer")};
    static struct world world;
    world.audience = audience_new(chance_below(&chance, UINT64_MAX), AUCTIONS);
    world.answer = state_answer_new(world.audience);
    want(world.answer, "event/");
    int steps = chance_steps(STEPS);
    for (int n = 0; n < steps; n++) {
        world.loss = n < steps * 3 / 4 ? 50 : 0;
        world.now_ms += (int64_t)chance_below(&chance, 20);
        move_viewer(&world, &chance);
        answer_some(&world, &chance, chance_below(&chance, 4));
        if (n % 100 == 0)
            say_heartbeat(&world);
    }
    for (int n = 0; n < 20; n++) {
        world.now_ms += 1001;
        say_heartbeat(&world);
        answer_some(&world, &chance, UINT64_MAX);
    }
    assert_true(stream_whole(&world.stream));
    for (int i = 0; i < AUCTIONS; i++) {
        struct auction *auction = audience_find(world.audience, name_auction(i));
        assert_int_equal(world.figures[i].joins - world.figures[i].leaves,
                         auction ? auction_viewers(auction) : 0);
    }
    for (int v = 0; v < VIEWERS; v++)
        audience_leave(world.audience, &world.viewers[v], 0);
    state_answer_destroy(&world.answer);
    audience_destroy(&world.audience);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_one_auction),
        cmocka_unit_test(answers_a_shard_once),
        cmocka_unit_test(an_answer_checks_what_others_asked_for),
        cmocka_unit_test(answers_everything),
        cmocka_unit_test(full_queue_becomes_shards),
        cmocka_unit_test(readers_have_the_truth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
