/* Which sampler is believed in each shard: samplers of parts by hand, then samplers that start,
 * stop, fall silent and lose messages at random, against what must always hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "chance.h"

#include "live_figures.h"

#define TIMEOUT_MS 3000
#define SHARDS 4 /* looked at, with one auction each */
#define NODES 5
#define STEPS 200000

struct node {
    char id[8];
    int64_t epoch_ms;
    int64_t heard_ms;
    bool present; /* heard, and neither bye nor silence noticed since */
    bool told;    /* all its figures, in this epoch */
    bool missing; /* something said since was lost */
    bool proven;  /* was ready with all its figures told and nothing missing */
    enum node_state state;
    bool serves[SHARDS];
    uint64_t sequences[SHARDS];
    uint64_t said[SHARDS]; /* the newest count of its auction that arrived */
};

struct follower { /* what was seen of a shard at the step before */
    int node;     /* -1: none */
    int64_t epoch_ms;
    bool known;
    bool silent;      /* it went by silence */
    int64_t lost_ms;  /* since when nobody is fit */
    uint64_t showing; /* count */
};

struct world {
    struct live_figures *figures;
    struct chance chance;
    int64_t now_ms;
    uint64_t serial;
    char auctions[SHARDS][AUCTION_BYTES];
    struct node nodes[NODES];
    struct follower followers[SHARDS];
};

static void
begin(struct world *world, uint64_t seed)
{
    *world = (struct world){.chance = {seed}, .now_ms = 1000};
    world->figures = live_figures_new(TIMEOUT_MS, world->now_ms);
    for (int i = 0, lot = 0; i < SHARDS; lot++) {
        char *id = world->auctions[i];
        snprintf(id, AUCTION_BYTES, "lot-%d", lot);
        i += auction_shard(id) == (unsigned)i; /* auction i is in shard i */
    }
    for (int i = 0; i < NODES; i++)
        snprintf(world->nodes[i].id, sizeof world->nodes[i].id, "s%d", i);
    for (int i = 0; i < SHARDS; i++)
        world->followers[i].node = -1;
}

static void
send(struct world *world, struct node *node, struct message *message)
{
    strcpy(message->node, node->id);
    message->role = NODE_SAMPLER;
    message->epoch_ms = node->epoch_ms;
    assert_int_not_equal(live_figures_take(world->figures, message, world->now_ms),
                         READER_FULL);
    node->heard_ms = world->now_ms;
    node->present = message->kind != MESSAGE_BYE;
}

static void
say(struct world *world, struct node *node, int shard, enum change_kind change, uint64_t count)
{
    struct message message = {.kind = MESSAGE_COUNT,
                              .change = change,
                              .shard = (unsigned)shard,
                              .sequence = node->sequences[shard],
                              .count = count};
    if (change == CHANGE_STATE || change == CHANGE_JOIN)
        strcpy(message.auction, world->auctions[shard]);
    send(world, node, &message);
}

static void
beat(struct world *world, struct node *node, enum node_state state)
{
    struct message message = {.kind = MESSAGE_HEARTBEAT, .state = state};
    for (int i = 0; i < SHARDS; i++) {
        message.unserved[i] = !node->serves[i];
        message.sequences[i] = node->sequences[i];
    }
    node->state = state;
    node->proven |= node->told && !node->missing && state == NODE_READY;
    send(world, node, &message);
}

/* A new epoch, in which something was said already that nobody heard. */
static void
start(struct world *world, struct node *node, unsigned serves)
{
    node->epoch_ms++;
    node->told = node->missing = node->proven = false;
    for (int i = 0; i < SHARDS; i++) {
        node->serves[i] = serves >> i & 1;
        node->sequences[i] = node->serves[i] ? 5 : 0;
        node->said[i] = 0;
    }
    beat(world, node, NODE_WARMING);
}

/* The state of every shard, whole. */
static void
tell(struct world *world, struct node *node)
{
    for (int i = 0; i < SHARDS; i++) {
        if (!node->serves[i])
            continue;
        node->sequences[i]++;
        node->said[i] = ++world->serial;
        say(world, node, i, CHANGE_BEGIN, 0);
        say(world, node, i, CHANGE_STATE, node->said[i]);
        say(world, node, i, CHANGE_END, auction_check(world->auctions[i]));
    }
    node->told = true;
    node->missing = false;
    beat(world, node, node->state);
}

static void
bye(struct world *world, struct node *node)
{
    struct message message = {.kind = MESSAGE_BYE};
    send(world, node, &message);
    node->told = node->missing = node->proven = false;
    node->state = NODE_WARMING;
    node->epoch_ms++;
}

static void
tick(struct world *world, int64_t elapsed_ms)
{
    world->now_ms += elapsed_ms;
    live_figures_tick(world->figures, world->now_ms);
    for (int i = 0; i < NODES; i++) {
        struct node *node = &world->nodes[i];
        if (!node->present || world->now_ms - node->heard_ms <= TIMEOUT_MS)
            continue;
        node->present = node->told = node->missing = node->proven = false;
        node->state = NODE_WARMING;
        for (int shard = 0; shard < SHARDS; shard++)
            world->followers[shard].silent |= world->followers[shard].node == i;
    }
}

static bool
is_fit(const struct node *node, int shard)
{
    return node->present && node->proven && node->state == NODE_READY && node->serves[shard];
}

/* The node that must be followed now; -1: none. */
static int
find_right(const struct world *world, int shard)
{
    const struct follower *before = &world->followers[shard];
    if (before->node >= 0 && is_fit(&world->nodes[before->node], shard) &&
        world->nodes[before->node].epoch_ms == before->epoch_ms)
        return before->node;
    for (int i = 0; i < NODES; i++)
        if (is_fit(&world->nodes[i], shard))
            return i;
    return -1;
}

static int
find_followed(const struct world *world, int shard)
{
    const char *id = live_figures_node(world->figures, (unsigned)shard);
    for (int i = 0; id && i < NODES; i++)
        if (!strcmp(world->nodes[i].id, id))
            return i;
    return -1;
}

/* Nobody is fit: what was known is held on to for so long, if it did not end by silence. */
static void
check_held(const struct world *world, int shard, struct follower *follower)
{
    int64_t held_ms = world->now_ms - follower->lost_ms;
    bool known = live_figures_known(world->figures, (unsigned)shard);
    uint64_t count = live_figures_count(world->figures, world->auctions[shard]);
    int followed = find_followed(world, shard);
    assert_int_equal(known, follower->known && !follower->silent && held_ms < TIMEOUT_MS);
    if (followed >= 0)
        assert_int_equal(count, world->nodes[followed].said[shard]);
    else
        assert_int_equal(count, known ? follower->showing : 0);
    follower->known = known;
    follower->showing = count;
}

static void
check(struct world *world)
{
    for (int shard = 0; shard < SHARDS; shard++) {
        struct follower *follower = &world->followers[shard];
        int right = find_right(world, shard);
        if (right < 0) {
            check_held(world, shard, follower);
            continue;
        }
        const struct node *node = &world->nodes[right];
        assert_true(live_figures_known(world->figures, (unsigned)shard));
        assert_int_equal(find_followed(world, shard), right);
        uint64_t count = live_figures_count(world->figures, world->auctions[shard]);
        assert_int_equal(count, node->said[shard]);
        *follower = (struct follower){.node = right,
                                      .epoch_ms = node->epoch_ms,
                                      .known = true,
                                      .lost_ms = world->now_ms,
                                      .showing = count};
    }
}

static void
change(struct world *world, struct node *node)
{
    int shard = (int)chance_below(&world->chance, SHARDS);
    if (!node->told || !node->serves[shard])
        return;
    node->sequences[shard]++;
    if (chance_percent(&world->chance, 20)) {
        node->missing = true;
        return;
    }
    node->said[shard] = ++world->serial;
    say(world, node, shard, CHANGE_JOIN, node->said[shard]);
    if (!chance_percent(&world->chance, 10))
        return;
    node->sequences[shard]--; /* a late one */
    say(world, node, shard, CHANGE_JOIN, 1);
    node->sequences[shard]++;
}

static void
step(struct world *world)
{
    struct node *node = &world->nodes[chance_below(&world->chance, NODES)];
    switch (chance_below(&world->chance, 12)) {
    case 0:
        start(world, node, (unsigned)chance_below(&world->chance, 1u << SHARDS));
        break;
    case 1:
    case 2:
        if (node->present)
            tell(world, node);
        break;
    case 3:
        if (node->present && chance_percent(&world->chance, 30))
            bye(world, node);
        break;
    case 4:
        if (node->present && chance_percent(&world->chance, 30))
            beat(world, node, (enum node_state)chance_below(&world->chance, 3));
        break;
    case 5:
    case 6:
        if (node->present)
            beat(world, node, NODE_READY);
        break;
    case 7:
        tick(world, (int64_t)chance_below(&world->chance, 900));
        break;
    default:
        change(world, node);
    }
}

static void
always_the_right_one_at_random(void **state)
{
    static struct world world;
    (void)state;
    begin(&world, chance_seed("live_follow_test"));
    int steps = chance_steps(STEPS);
    for (int i = 0; i < steps; i++) {
        step(&world);
        tick(&world, 0);
        check(&world);
    }
    live_figures_destroy(&world.figures);
}

static void
shards_come_from_who_serves_them(void **state)
{
    static struct world world;
    struct live_auction rows[SHARDS + 1];
    (void)state;
    begin(&world, 1);
    start(&world, &world.nodes[0], 0x3);
    tell(&world, &world.nodes[0]);
    beat(&world, &world.nodes[0], NODE_READY);
    assert_false(live_figures_known(world.figures, 2));
    assert_int_equal(live_figures_shards(world.figures), SHARD_COUNT - 2);
    assert_int_equal(live_figures_list(world.figures, "", rows, SHARDS + 1), 2);
    start(&world, &world.nodes[1], 0xc);
    tell(&world, &world.nodes[1]);
    beat(&world, &world.nodes[1], NODE_READY);
    check(&world);
    assert_int_equal(live_figures_shards(world.figures), SHARD_COUNT);
    assert_int_equal(live_figures_list(world.figures, "", rows, SHARDS + 1), SHARDS);
    assert_int_equal(live_figures_auctions(world.figures), SHARDS);
    bye(&world, &world.nodes[1]);
    check(&world);
    assert_int_equal(live_figures_list(world.figures, "", rows, SHARDS + 1), SHARDS);
    for (int i = 0; i < 6; i++) {
        tick(&world, TIMEOUT_MS / 6);
        beat(&world, &world.nodes[0], NODE_READY);
        check(&world);
    }
    assert_int_equal(live_figures_list(world.figures, "", rows, SHARDS + 1), 2);
    live_figures_destroy(&world.figures);
}

/* 256 samplers of which two serve each shard; each is followed in what it serves alone. */
static void
a_whole_row_of_samplers_is_followed(void **state)
{
    (void)state;
    struct live_figures *figures = live_figures_new(TIMEOUT_MS, 0);
    for (unsigned i = 0; i < SHARD_COUNT; i++) {
        struct message beat = {.kind = MESSAGE_HEARTBEAT,
                               .role = NODE_SAMPLER,
                               .epoch_ms = 1,
                               .state = NODE_READY};
        snprintf(beat.node, sizeof beat.node, "sampler-%u", i);
        memset(beat.unserved, true, sizeof beat.unserved);
        beat.unserved[i] = beat.unserved[(i + 1) % SHARD_COUNT] = false;
        assert_int_equal(live_figures_take(figures, &beat, 1), READER_TAKEN);
    }
    assert_int_equal(live_figures_shards(figures), SHARD_COUNT);
    struct message bye = {
        .kind = MESSAGE_BYE, .role = NODE_SAMPLER, .epoch_ms = 1, .node = "sampler-0"};
    live_figures_take(figures, &bye, 2);
    assert_string_equal(live_figures_node(figures, 0), "sampler-255");
    assert_string_equal(live_figures_node(figures, 1), "sampler-1");
    assert_int_equal(live_figures_shards(figures), SHARD_COUNT);
    live_figures_destroy(&figures);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_come_from_who_serves_them),
        cmocka_unit_test(a_whole_row_of_samplers_is_followed),
        cmocka_unit_test(always_the_right_one_at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
