/* One schedule: a healthy start, faults and crowds by chance, quiet, and time enough for the
 * last windows to be stored.
 *
 *     0 s        START        faults           QUIET       exact?        END
 *     ├── all start ──┼── crash, stop, pause, ──┼── 5 s ──────┼── 7 s ─────┤ stored?
 *                         cut, lose, step
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define BEGIN_MS 10000 /* so that no clock is ever before WALL_MS */
#define CALM_MS 2500   /* before the first fault */
#define CHAOS_MS 9000
#define QUIET_MS 5000
#define STILL_MS 200 /* before counts are compared nobody moves */
#define DEAF_STILL_MS                                                                          \
    3200 /* the same, where it takes a heartbeat and two renewals to be heard */
#define TAIL_MS 7000
#define DRAIN_MS 3000   /* for the last snapshots to be acknowledged */
#define MOVE_PERCENT 20 /* of somebody moving, each step */
#define SLEEP_PERCENT 2 /* of schedules in which a sampler sleeps ... */
#define SLEEP_MS 70000  /* ... for longer than gateways remember an empty auction ... */
#define RUSHES 100      /* ... in which more came than do afterwards */
#define RUSH_MS 500     /* to be heard of */

/* Of three shards: what is missed of one auction must be noticed by the next of another. */
static const char *const names[AUCTIONS] = {"lot-1", "lot-83",  "lot-140",
                                            "lot-2", "lot-148", "lot-8"};

const char *
auction_name(unsigned auction)
{
    return names[auction];
}

unsigned
auction_of(const char *name)
{
    unsigned auction = 0;
    while (auction < AUCTIONS && strcmp(names[auction], name))
        auction++;
    assert(auction < AUCTIONS);
    return auction;
}

unsigned
shard_of(unsigned auction)
{
    static unsigned shards[AUCTIONS];
    static bool known;
    for (unsigned a = 0; !known && a < AUCTIONS; a++)
        shards[a] = auction_shard(names[a]);
    known = true;
    return shards[auction];
}

void
fail(struct world *world, const char *format, ...)
{
    va_list arguments;
    if (*world->failure)
        return;
    va_start(arguments, format);
    int used = snprintf(world->failure, sizeof world->failure,
                        "at %lld ms: ", (long long)world->now_ms);
    vsnprintf(world->failure + used, sizeof world->failure - (size_t)used, format, arguments);
    va_end(arguments);
}

void
trace(const struct world *world, const char *format, ...)
{
    va_list arguments;
    if (!world->trace)
        return;
    printf("%8lld ms  ", (long long)world->now_ms);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

static bool
is_gateway(unsigned process)
{
    return process < GATEWAYS;
}

static bool
is_store(unsigned process)
{
    return process >= GATEWAYS + SAMPLERS && process < FIRST_API;
}

static void
name_process(struct world *world, unsigned process)
{
    struct process *p = &world->processes[process];
    const char *kind = is_gateway(process)    ? "gw"
                       : is_store(process)    ? "store"
                       : process >= FIRST_API ? "api"
                                              : "sampler";
    if (world->sticky_nodes)
        snprintf(p->node, sizeof p->node, "%s-%u", kind, process);
    else
        snprintf(p->node, sizeof p->node, "%s-%u.%u", kind, process, p->runs);
}

static void
start_process(struct world *world, unsigned process)
{
    struct process *p = &world->processes[process];
    p->runs++;
    p->alive = true;
    p->paused = false;
    p->started_ms = world->now_ms;
    p->epoch_ms = wall_ms(world, process);
    name_process(world, process);
    trace(world, "%s starts, epoch %lld", p->node, (long long)p->epoch_ms);
    if (is_gateway(process))
        gateway_start(world, process);
    else if (process >= FIRST_API)
        api_start(world, process - FIRST_API);
    else if (!is_store(process))
        sampler_start(world, process - GATEWAYS);
}

static void
bury(struct world *world, unsigned gateway)
{
    const struct process *p = &world->processes[gateway];
    struct grave *grave = &world->graves[world->grave_count % GRAVES];
    if (world->grave_count < GRAVES)
        world->grave_count++;
    strcpy(grave->node, p->node);
    grave->epoch_ms = p->epoch_ms;
    grave->died_ms = world->now_ms;
    for (unsigned s = 0; s < SAMPLERS; s++)
        if (world->samplers[s].known_ms[gateway] < p->started_ms)
            world->samplers[s].blind_ms = world->now_ms;
}

static void
stop_process(struct world *world, unsigned process, bool bye)
{
    struct process *p = &world->processes[process];
    trace(world, "%s %s", p->node, bye ? "stops" : "crashes");
    if (is_gateway(process))
        bury(world, process);
    if (!bye)
        network_drop(world, process, false);
    if (is_gateway(process))
        gateway_stop(world, process, bye);
    else if (process >= FIRST_API)
        api_stop(world, process - FIRST_API);
    else if (!is_store(process))
        sampler_stop(world, process - GATEWAYS, bye);
    if (bye)
        network_drop(world, process, true);
    p->alive = false;
    p->paused = false;
    p->faulted_ms = world->now_ms;
    p->due_ms = world->now_ms + 100 + draw(world, 4000);
}

static void
resume(struct world *world, unsigned process)
{
    struct process *p = &world->processes[process];
    trace(world, "%s goes on", p->node);
    p->paused = false;
    p->faulted_ms = world->delayed_ms = world->now_ms;
}

static void
pause_process(struct world *world, unsigned process)
{
    struct process *p = &world->processes[process];
    p->paused = true;
    p->paused_ms = p->faulted_ms = world->delayed_ms = world->now_ms;
    p->due_ms = world->now_ms + 50 + draw(world, draw(world, 2) ? 6000 : 1500);
    trace(world, "%s is paused for %lld ms", p->node, (long long)(p->due_ms - world->now_ms));
}

static void
note_link_fault(struct world *world, const struct link *link)
{
    world->processes[link->from].faulted_ms = world->now_ms;
    world->processes[link->to].faulted_ms = world->now_ms;
    world->delayed_ms = world->now_ms;
}

static void
cut_link(struct world *world, struct link *link)
{
    if (link->cut)
        return;
    link->cut = true;
    link->cut_ms = world->now_ms;
    link->due_ms = world->now_ms + 50 + draw(world, 6000);
    note_link_fault(world, link);
    world->processes[link->from].cuts++;
    world->processes[link->to].cuts++;
    trace(world, "the link from %s to %s is cut", world->processes[link->from].node,
          world->processes[link->to].node);
}

static void
mend_link(struct world *world, struct link *link)
{
    link->cut = false;
    note_link_fault(world, link);
    world->processes[link->from].cuts--;
    world->processes[link->to].cuts--;
    link->connect_ms = world->now_ms + draw(world, 1200); /* a connect under way fails first */
    trace(world, "the link from %s to %s is mended", world->processes[link->from].node,
          world->processes[link->to].node);
}

/* Every link of a process: its cable. */
static void
cut_process(struct world *world, unsigned process)
{
    for (unsigned i = 0; i < world->link_count; i++)
        if (world->links[i].from == process || world->links[i].to == process)
            cut_link(world, &world->links[i]);
}

static void
step_clock(struct world *world, unsigned process)
{
    struct process *p = &world->processes[process];
    p->skew_ms = (int64_t)draw(world, 2 * SKEW_MS + 1) - SKEW_MS;
    p->faulted_ms = p->stepped_ms = world->now_ms;
    trace(world, "the clock of %s is off by %lld ms now", p->node, (long long)p->skew_ms);
}

static void
lose_messages(struct world *world, unsigned percent)
{
    world->loss = percent;
    trace(world, "%u %% of the messages are lost now", percent);
}

static void
slow_down(struct world *world, int64_t slow_ms)
{
    world->slow_ms = slow_ms;
    trace(world, "messages take up to %lld ms longer now", (long long)slow_ms);
}

static void
meddle(struct world *world)
{
    unsigned process = draw(world, PROCESSES), what = draw(world, 100);
    struct process *p = &world->processes[process];
    if (!p->here || !p->alive || p->paused)
        return;
    if (what < 30)
        stop_process(world, process, false);
    else if (what < 42)
        stop_process(world, process, true);
    else if (what < 60)
        pause_process(world, process);
    else if (what < 75)
        cut_link(world, &world->links[draw(world, world->link_count)]);
    else if (what < 83)
        cut_process(world, process);
    else if (what < 88)
        step_clock(world, process);
    else if (what < 96)
        lose_messages(world, world->loss ? 0 : 1 + draw(world, 20));
    else
        slow_down(world, world->slow_ms ? 0 : 50 + draw(world, 450));
}

static void
mend_what_is_due(struct world *world)
{
    for (unsigned i = 0; i < PROCESSES; i++) {
        struct process *p = &world->processes[i];
        bool due = p->here && p->due_ms <= world->now_ms;
        if (due && p->alive && p->paused)
            resume(world, i);
        else if (due && !p->alive)
            start_process(world, i);
    }
    for (unsigned i = 0; i < world->link_count; i++)
        if (world->links[i].cut && world->links[i].due_ms <= world->now_ms)
            mend_link(world, &world->links[i]);
}

/* From now on nothing goes wrong any more. */
static void
make_quiet(struct world *world)
{
    trace(world, "quiet from now on");
    world->chaos = false;
    world->loss = 0;
    world->slow_ms = 0;
    for (unsigned i = 0; i < PROCESSES; i++)
        if (world->processes[i].due_ms > world->now_ms)
            world->processes[i].due_ms = world->now_ms;
    for (unsigned i = 0; i < world->link_count; i++)
        world->links[i].due_ms = world->now_ms;
    if (world->processes[0].here && !world->processes[0].alive && draw(world, 2))
        world->processes[0].due_ms = INT64_MAX; /* it stays dead */
    mend_what_is_due(world);
}

static void
move_somebody(struct world *world)
{
    unsigned gateway = draw(world, GATEWAYS);
    unsigned auction = world->first_auction + draw(world, AUCTIONS - world->first_auction);
    if (!runs(world, gateway))
        return;
    if (draw(world, 100) < 55)
        gateway_join(world, gateway, auction);
    else
        gateway_leave(world, gateway, draw(world, VIEWERS));
}

static void
step_processes(struct world *world)
{
    unsigned first = draw(world, GATEWAYS + SAMPLERS);
    for (unsigned i = 0; i < GATEWAYS + SAMPLERS; i++) {
        unsigned process = (first + i) % (GATEWAYS + SAMPLERS);
        if (!runs(world, process))
            continue;
        if (is_gateway(process))
            gateway_step(world, process);
        else
            sampler_step(world, process - GATEWAYS);
    }
    for (unsigned a = 0; a < APIS; a++)
        if (runs(world, FIRST_API + a))
            api_step(world, a);
}

/* Everybody leaves the auction. */
static void
empty_auction(struct world *world, unsigned auction)
{
    for (unsigned g = 0; g < GATEWAYS; g++) {
        for (unsigned v = 0; world->processes[g].alive && v < VIEWERS; v++) {
            const struct auction *held = world->gateways[g].viewers[v].auction;
            if (held && auction_of(held->id) == auction)
                gateway_leave(world, g, v);
        }
    }
}

static void
live_on(struct world *world, int64_t ms, bool moves)
{
    int64_t until_ms = world->now_ms + ms;
    for (; world->now_ms < until_ms && !*world->failure; world->now_ms += STEP_MS) {
        if (world->chaos && draw(world, 1000) < 12)
            meddle(world);
        mend_what_is_due(world);
        if (moves && draw(world, 100) < MOVE_PERCENT)
            move_somebody(world);
        network_step(world);
        step_processes(world);
        referee_step(world);
    }
}

static void
make_world(struct world *world, uint64_t seed)
{
    memset(world, 0, sizeof *world);
    world->seed = seed;
    world->chance.state = seed;
    world->now_ms = BEGIN_MS;
    world->loss_ms = 0;
    world->sampler_count = 1 + draw(world, SAMPLERS);
    world->replicas = 1 + draw(world, 2);
    world->sticky_nodes = draw(world, 2);
    unsigned gateways = 1 + draw(world, GATEWAYS), stores = 1 + draw(world, STORES);
    network_make(world);
    for (unsigned i = 0; i < PROCESSES; i++) {
        struct process *p = &world->processes[i];
        p->here = i < gateways || (i >= GATEWAYS && i < GATEWAYS + world->sampler_count) ||
                  (is_store(i) && i < GATEWAYS + SAMPLERS + stores) || i >= FIRST_API;
        p->skew_ms = (int64_t)draw(world, 2 * SKEW_MS + 1) - SKEW_MS;
        p->due_ms = world->now_ms + draw(world, 500);
    }
}

static void
end_world(struct world *world)
{
    for (unsigned i = 0; i < PROCESSES; i++) {
        if (!world->processes[i].alive || is_store(i))
            continue;
        if (is_gateway(i))
            gateway_stop(world, i, false);
        else if (i >= FIRST_API)
            api_stop(world, i - FIRST_API);
        else
            sampler_stop(world, i - GATEWAYS, false);
    }
    network_fini(world);
}

/* Each gateway gets a viewer of each auction. */
static void
fill_auctions(struct world *world)
{
    for (unsigned g = 0; g < GATEWAYS; g++)
        for (unsigned a = 0; runs(world, g) && a < AUCTIONS; a++)
            gateway_join(world, g, a);
}

static void
empty_auctions(struct world *world)
{
    for (unsigned a = 0; a < AUCTIONS; a++)
        empty_auction(world, a);
}

/* A sampler sleeps while auctions empty, and are forgotten by their gateways. To some nobody
 * comes back, or to all somebody does: the sampler still has what was before. */
static void
sleep_long(struct world *world)
{
    unsigned process = GATEWAYS + draw(world, world->sampler_count);
    for (int i = 0; i < RUSHES; i++) {
        empty_auctions(world);
        fill_auctions(world);
    }
    live_on(world, RUSH_MS, false);
    pause_process(world, process);
    world->processes[process].due_ms = world->now_ms + SLEEP_MS;
    empty_auctions(world);
    world->first_auction = AUCTIONS / 2;
    live_on(world, SLEEP_MS - RUSH_MS, false);
    if (draw(world, 2)) {
        world->first_auction = 0;
        fill_auctions(world);
        fill_auctions(world);
    }
    live_on(world, RUSH_MS + 2000, false);
}

bool
schedule_run(struct world *world, uint64_t seed, bool tell)
{
    make_world(world, seed);
    world->trace = tell;
    live_on(world, CALM_MS, true);
    if (draw(world, 100) < SLEEP_PERCENT)
        sleep_long(world);
    world->chaos = true;
    live_on(world, CHAOS_MS, true);
    make_quiet(world);
    int64_t still_ms = world->deaf_spots ? DEAF_STILL_MS : STILL_MS;
    live_on(world, QUIET_MS - still_ms, true);
    live_on(world, still_ms, false);
    if (!*world->failure)
        referee_quiet(world, false);
    live_on(world, TAIL_MS - still_ms, true);
    live_on(world, still_ms, false);
    if (!*world->failure)
        referee_quiet(world, true);
    world->ending = true;
    live_on(world, DRAIN_MS, false);
    if (!*world->failure)
        referee_end(world);
    end_world(world);
    return !*world->failure;
}
