/* A publisher whose messages are dropped, doubled and late, and that restarts; a reader that
 * follows the rules. Whenever a heartbeat finds a shard whole, the reader's figures must be the
 * publisher's; and once the losses end, a few heartbeats must make everything whole. $SEED
 * repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "mem.h"

#include "stream.h"

#define AUCTIONS 24 /* auction i is of shard i % SHARDS */
#define SHARDS 4
#define RUNS 300
#define STEPS 3000
#define STEPS_A_SECOND 40
#define FORGET_STEPS 300 /* steps empty before the publisher may forget an auction */
#define LATE_MAX 8       /* messages that may come late at a time */

struct figure {
    bool known;
    uint64_t joins, leaves; /* of events; a count is in joins */
    uint64_t sequence;      /* of counts: of the last taken */
    uint32_t mark;
    int changed_step;
};

struct answer {
    bool wanted;   /* asked for and not begun */
    bool running;  /* between begin and end */
    int next;      /* the auction to look at next */
    uint64_t sent; /* check of the states since begin */
    int64_t begin_ms;
};

struct world {
    enum message_kind kind;
    int step;
    int loss; /* one message in `loss` is dropped, one doubled, one late; 0: none */
    struct figure said[AUCTIONS], heard[AUCTIONS];
    int64_t epoch_ms;
    uint64_t sequences[SHARDS], floor;
    struct answer answers[SHARDS];
    struct message late[LATE_MAX];
    int late_count;
    struct stream stream;
    uint64_t checked; /* shards found whole and compared */
};

static struct chance chance;

static int
draw(int below)
{
    return (int)chance_below(&chance, (uint64_t)below);
}

static bool
strikes(const struct world *world)
{
    return world->loss && !draw(world->loss);
}

/* The reader asks; the request may be lost like anything. */
static void
renew(struct world *world, unsigned shard)
{
    if (stream_renew(&world->stream, shard, world->step * 1000 / STEPS_A_SECOND) &&
        !strikes(world))
        world->answers[shard].wanted = true;
}

static void
drop_all(struct world *world)
{
    memset(world->heard, 0, sizeof world->heard);
}

static void
merge(struct world *world, const struct message *message, uint32_t mark)
{
    struct figure *figure = &world->heard[atoi(message->auction)];
    figure->mark = mark;
    if (message->kind == MESSAGE_COUNT && figure->known &&
        message->sequence <= figure->sequence)
        return;
    figure->known = true;
    figure->sequence = message->sequence;
    if (message->kind == MESSAGE_COUNT)
        figure->joins = message->count;
    if (message->kind == MESSAGE_EVENT && message->joins > figure->joins)
        figure->joins = message->joins;
    if (message->kind == MESSAGE_EVENT && message->leaves > figure->leaves)
        figure->leaves = message->leaves;
}

static void
sweep(struct world *world, unsigned shard, uint32_t mark)
{
    for (int i = (int)shard; i < AUCTIONS; i += SHARDS)
        if (world->heard[i].mark != mark)
            memset(&world->heard[i], 0, sizeof world->heard[i]);
}

static void
receive(struct world *world, const struct message *message)
{
    uint32_t mark;
    bool gap;
    enum stream_verdict verdict = stream_take(&world->stream, message, &mark, &gap);
    if (verdict == STREAM_RESTART)
        drop_all(world);
    if ((verdict == STREAM_RESTART && *message->auction) || verdict == STREAM_APPLY)
        merge(world, message, mark);
    if (verdict == STREAM_SWEEP)
        sweep(world, message->shard, mark);
    if (gap)
        renew(world, message->shard);
}

/* Delivers, drops, doubles or keeps a message for later. What belongs to an answer is neither
 * doubled nor late: it comes over one connection, which keeps its order. */
static void
pass(struct world *world, const struct message *message)
{
    if (strikes(world))
        return;
    bool change = message->change == CHANGE_JOIN || message->change == CHANGE_LEAVE;
    if (change && strikes(world) && world->late_count < LATE_MAX)
        world->late[world->late_count++] = *message;
    receive(world, message);
    if (change && strikes(world))
        receive(world, message);
    if (world->late_count && !draw(6))
        receive(world, &world->late[--world->late_count]);
}

static const char *
name_auction(int auction)
{
    static char name[AUCTION_BYTES];
    snprintf(name, sizeof name, "%d", auction);
    return name;
}

static void
say(struct world *world, enum change_kind change, unsigned shard, int auction, uint64_t states)
{
    struct message message = {.kind = world->kind, .shard = shard, .change = change};
    message.epoch_ms = world->epoch_ms;
    message.time_ms = world->step;
    if (change == CHANGE_BEGIN)
        world->answers[shard].begin_ms = world->step;
    if (change == CHANGE_END)
        message.time_ms = world->answers[shard].begin_ms;
    message.joins = message.count = states;
    if (auction >= 0) {
        strcpy(message.auction, name_auction(auction));
        message.joins = message.count = world->said[auction].joins;
        message.leaves = world->said[auction].leaves;
    }
    if (change == CHANGE_JOIN || change == CHANGE_LEAVE)
        world->sequences[shard]++;
    message.sequence = world->sequences[shard];
    pass(world, &message);
}

static void
change_one(struct world *world)
{
    int auction = draw(AUCTIONS);
    struct figure *figure = &world->said[auction];
    bool empty = figure->joins == figure->leaves;
    bool old = world->step - figure->changed_step > FORGET_STEPS;
    if (figure->known && empty && old && draw(2)) {
        memset(figure, 0, sizeof *figure); /* forgotten, and nobody is told */
        return;
    }
    if (!figure->known)
        figure->joins = figure->leaves = world->kind == MESSAGE_EVENT ? world->floor : 0;
    bool join = empty || draw(2);
    if (world->kind == MESSAGE_COUNT)
        figure->joins = draw(4) ? figure->joins + 1 : 0;
    else
        join ? figure->joins++ : figure->leaves++;
    if (figure->joins > world->floor)
        world->floor = figure->joins;
    figure->known = true;
    figure->changed_step = world->step;
    say(world, join || world->kind == MESSAGE_COUNT ? CHANGE_JOIN : CHANGE_LEAVE,
        (unsigned)auction % SHARDS, auction, 0);
}

/* A part of an answer: a state or two, then other work goes on. */
static void
answer_one(struct world *world, unsigned shard)
{
    struct answer *answer = &world->answers[shard];
    if (!answer->running && answer->wanted) {
        *answer = (struct answer){.running = true, .next = (int)shard};
        say(world, CHANGE_BEGIN, shard, -1, 0);
    }
    for (int part = 0; answer->running && part < 2; part++) {
        while (answer->next < AUCTIONS && !world->said[answer->next].known)
            answer->next += SHARDS;
        if (answer->next >= AUCTIONS) {
            answer->running = false;
            say(world, CHANGE_END, shard, -1, answer->sent);
            return;
        }
        answer->sent += auction_check(name_auction(answer->next));
        say(world, CHANGE_STATE, shard, answer->next, 0);
        answer->next += SHARDS;
    }
}

static void
compare(struct world *world, unsigned shard)
{
    for (int i = (int)shard; i < AUCTIONS; i += SHARDS) {
        uint64_t heard = world->heard[i].joins - world->heard[i].leaves;
        uint64_t said = world->said[i].joins - world->said[i].leaves;
        if (heard != said)
            fail_msg("kind %d, loss %d, step %d: auction %d has %d, heard %d", world->kind,
                     world->loss, world->step, i, (int)said, (int)heard);
    }
    world->checked++;
}

static void
beat(struct world *world)
{
    struct message message = {.kind = MESSAGE_HEARTBEAT, .epoch_ms = world->epoch_ms};
    for (int shard = 0; shard < SHARDS; shard++)
        message.sequences[shard] = world->sequences[shard];
    bool behind[SHARD_COUNT], restarted;
    if (strikes(world))
        return;
    stream_heartbeat(&world->stream, &message, behind, &restarted);
    if (restarted)
        drop_all(world);
    for (unsigned shard = 0; shard < SHARDS; shard++) {
        if (behind[shard])
            renew(world, shard);
        if (stream_shard_whole(&world->stream, shard))
            compare(world, shard);
    }
}

static void
restart(struct world *world)
{
    world->epoch_ms++;
    world->floor = 0;
    memset(world->said, 0, sizeof world->said);
    memset(world->sequences, 0, sizeof world->sequences);
    memset(world->answers, 0, sizeof world->answers);
}

static void
step(struct world *world, bool changing)
{
    world->step++;
    if (changing)
        change_one(world);
    if (changing && !draw(1500))
        restart(world);
    /* somebody else subscribes: to one auction, to a shard */
    int auction = draw(AUCTIONS);
    if (!draw(30) && world->said[auction].known) {
        struct answer *answer = &world->answers[auction % SHARDS];
        answer->sent += answer->running ? auction_check(name_auction(auction)) : 0;
        say(world, CHANGE_STATE, (unsigned)auction % SHARDS, auction, 0);
    }
    if (!draw(200))
        world->answers[draw(SHARDS)].wanted = true;
    for (unsigned shard = 0; shard < SHARDS; shard++)
        answer_one(world, shard);
    if (world->step % STEPS_A_SECOND == 0)
        beat(world);
}

static void
simulate(enum message_kind kind, int loss)
{
    struct world *world = mem_alloc(sizeof *world);
    *world = (struct world){.kind = kind, .loss = loss, .epoch_ms = 1};
    for (int i = 0; i < STEPS; i++)
        step(world, true);
    if (!loss)
        assert_true(world->checked > STEPS / STEPS_A_SECOND);
    world->loss = 0;
    for (int i = 0; i < 3 * STEPS_A_SECOND; i++)
        step(world, false);
    assert_true(stream_whole(&world->stream));
    for (unsigned shard = 0; shard < SHARDS; shard++)
        compare(world, shard);
    free(world);
}

static void
test_convergence(void **state)
{
    (void)state;
    chance.state = chance_seed("stream_simulation");
    static const int losses[] = {0, 1000, 100, 30, 10, 3};
    for (int run = 0; run < RUNS; run++)
        simulate(run % 4 < 2 ? MESSAGE_EVENT : MESSAGE_COUNT,
                 losses[run % (int)(sizeof losses / sizeof *losses)]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_convergence)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
