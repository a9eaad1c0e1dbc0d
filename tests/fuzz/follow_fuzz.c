/* A gateway's view of samplers (follow.h), told any sequence of counts, heartbeats, byes and
 * silence. Never is one followed that is not there; a silence leaves no viewers elsewhere, and
 * a count after it is believed. Input: operations of a few bytes each. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "follow.h"

#include "fuzz.h"

#define AUCTIONS 4
#define SHARDS 2 /* that the auctions are in */
#define SILENCE_MS 3000
#define TICK_MS 500
#define RENEWALS_MAX 10000

struct world {
    struct follow *follow;
    struct follow_auction auctions[AUCTIONS];
    int64_t now_ms;
};

static void
note_changed(void *arg, struct follow_auction *auction)
{
    const struct world *world = arg;
    assert(auction >= world->auctions && auction < world->auctions + AUCTIONS);
    assert(auction->watched);
}

static void
draw_message(struct fuzz *fuzz, struct message *message)
{
    uint8_t who = fuzz_byte(fuzz);
    *message = (struct message){.role = NODE_SAMPLER, .epoch_ms = 1 + (who >> 2 & 3)};
    snprintf(message->node, sizeof message->node, "smp-%d", who & 3);
    message->state = (enum node_state)((who >> 4 & 3) % 3);
    message->unserved[0] = who >> 6 & 1;
    message->unserved[1] = who >> 7 & 1;
}

static void
draw_count(struct fuzz *fuzz, struct world *world, struct message *message)
{
    uint8_t what = fuzz_byte(fuzz);
    struct follow_auction *auction = &world->auctions[what % AUCTIONS];
    message->kind = MESSAGE_COUNT;
    message->shard = (unsigned)(what % AUCTIONS % SHARDS);
    message->change = (enum change_kind)((what >> 2 & 7) % (CHANGE_END + 1));
    message->sequence = fuzz_byte(fuzz);
    message->count = fuzz_byte(fuzz);
    bool known = auction->watched && message->change <= CHANGE_JOIN;
    follow_count(world->follow, message, known ? auction : NULL, what >> 5, world->now_ms);
}

static void
check(const struct world *world)
{
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++) {
        const char *node = follow_node(world->follow, shard);
        assert(!node || !strncmp(node, "smp-", 4));
    }
    for (int i = 0; i < AUCTIONS; i++)
        assert(world->auctions[i].watched || !world->auctions[i].others);
}

static void
do_one(struct fuzz *fuzz, struct world *world)
{
    static struct message message;
    uint8_t how = fuzz_byte(fuzz);
    struct follow_auction *auction = &world->auctions[how >> 3 & 3];
    int left = RENEWALS_MAX;
    switch (how & 7) {
    case 0:
        world->now_ms += (how >> 3) * 100;
        follow_tick(world->follow, world->now_ms);
        break;
    case 1:
        if (auction->watched)
            follow_unwatch(world->follow, auction);
        else
            follow_watch(world->follow, auction, (how >> 3 & 3) % SHARDS, world->now_ms);
        break;
    case 2:
        while (follow_next_renewal(world->follow, world->now_ms))
            assert(left--);
        break;
    case 3:
        draw_message(fuzz, &message);
        follow_bye(world->follow, &message, world->now_ms);
        break;
    case 4:
        draw_message(fuzz, &message);
        follow_heartbeat(world->follow, &message, world->now_ms);
        break;
    default:
        draw_message(fuzz, &message);
        draw_count(fuzz, world, &message);
    }
    check(world);
}

static void
check_silence_and_return(struct world *world)
{
    static struct message message;
    struct follow_auction *auction = &world->auctions[0];
    for (int i = 0; i < 4 * SILENCE_MS; i += TICK_MS)
        follow_tick(world->follow, world->now_ms += TICK_MS);
    for (int i = 0; i < AUCTIONS; i++)
        assert(!world->auctions[i].others);
    assert(!follow_shards(world->follow));
    if (!auction->watched)
        follow_watch(world->follow, auction, 0, world->now_ms);
    message = (struct message){
        .kind = MESSAGE_HEARTBEAT, .role = NODE_SAMPLER, .epoch_ms = 9, .state = NODE_READY};
    strcpy(message.node, "smp-9");
    follow_heartbeat(world->follow, &message, world->now_ms);
    message.kind = MESSAGE_COUNT;
    message.sequence = 1;
    message.change = CHANGE_STATE;
    message.count = 12;
    follow_count(world->follow, &message, auction, 5, world->now_ms);
    assert(auction->others == 7 && !strcmp(follow_node(world->follow, 0), "smp-9"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    struct world world = {.now_ms = 1000};
    world.follow = follow_new(SILENCE_MS, note_changed, &world);
    while (fuzz.left)
        do_one(&fuzz, &world);
    check_silence_and_return(&world);
    follow_destroy(&world.follow);
    return 0;
}
