/* A sampler of the real cores: what counting, event_intake, count_publish and snapshot_send do
 * around them, without sockets. */
#include <assert.h>
#include <string.h>

#include "mem.h"

#include "shard_plan.h"
#include "world.h"

#define BUDGET 1000 /* as in count_publish.c */
#define COUNT_INTERVAL_MS 50
#define ACK_TIMEOUT_MS 1000
#define ROWS_MAX 10000

struct owner {
    struct world *world;
    unsigned sampler;
};
static struct owner owners[SAMPLERS];

static struct moment
sampler_now(const struct world *world, unsigned sampler)
{
    return (struct moment){wall_ms(world, GATEWAYS + sampler), world->now_ms};
}

static void
on_change(void *arg, const char *auction, uint64_t count)
{
    const struct owner *owner = arg;
    struct sampler *self = &owner->world->samplers[owner->sampler];
    referee_change(owner->world, owner->sampler, auction, count);
    count_source_change(self->source, auction, count);
    self->source_ms = owner->world->now_ms;
}

static void
on_snapshot(void *arg, const struct snapshot *snapshot)
{
    const struct owner *owner = arg;
    struct sampler *self = &owner->world->samplers[owner->sampler];
    referee_snapshot(owner->world, owner->sampler, snapshot);
    outbox_add(self->outbox, snapshot);
    self->last[auction_of(snapshot->auction)] = *snapshot;
}

static void
on_closed(void *arg)
{
    const struct owner *owner = arg;
    outbox_seal(owner->world->samplers[owner->sampler].outbox);
}

static void
ask_shard(struct world *world, struct link *link, const char *node, unsigned shard, bool all)
{
    struct subscription ask = {.scope = all ? SCOPE_ALL : SCOPE_SHARD, .shard = shard};
    strcpy(ask.node, node);
    network_ask(world, link, &ask, !*node);
}

static bool
serves_all(const struct sampler *self)
{
    return !memchr(self->unserved, true, sizeof self->unserved);
}

static void
on_renew(void *arg, const struct reader_renewal *renewal)
{
    const struct owner *owner = arg;
    struct world *world = owner->world;
    const struct sampler *self = &world->samplers[owner->sampler];
    trace(world, "sampler %u asks %s for shard %02x, attempt %u", owner->sampler, renewal->node,
          renewal->shard, renewal->attempt);
    for (unsigned g = 0; g < GATEWAYS; g++) {
        struct link *link = network_link(world, GATEWAYS + owner->sampler, g);
        ask_shard(world, link, renewal->node, renewal->shard, false);
        if (renewal->attempt >= READER_RESUBSCRIBE)
            ask_shard(world, link, "", renewal->shard, serves_all(self));
    }
}

static void
on_news(void *arg, const char *node, enum reader_news news)
{
    static const char *const words[] = {"finds", "sees restarted", "loses", "lets go"};
    const struct owner *owner = arg;
    struct world *world = owner->world;
    bool gone = news == READER_LOST || news == READER_LEFT;
    trace(world, "sampler %u %s %s", owner->sampler, words[news], node);
    for (unsigned g = 0; g < GATEWAYS; g++)
        if (!strcmp(world->processes[g].node, node))
            world->samplers[owner->sampler].known_ms[g] = gone ? 0 : world->now_ms;
}

static void
emit(void *arg, const struct message *message)
{
    const struct owner *owner = arg;
    network_publish(owner->world, GATEWAYS + owner->sampler, message);
}

static void
make_source(struct world *world, unsigned sampler)
{
    struct sampler *self = &world->samplers[sampler];
    const struct process *process = &world->processes[GATEWAYS + sampler];
    struct count_source_options source = {.node = process->node,
                                          .epoch_ms = process->epoch_ms,
                                          .count_interval_ms = COUNT_INTERVAL_MS,
                                          .heartbeat_interval_ms = HEARTBEAT_MS,
                                          .unserved = self->unserved,
                                          .tally = roster_tally(census_roster(self->census)),
                                          .emit = emit,
                                          .arg = &owners[sampler]};
    struct outbox_options outbox = {.rows_max = ROWS_MAX,
                                    .retry_ms = ACK_TIMEOUT_MS,
                                    .retry_max_ms = 10000,
                                    .first_id = (uint64_t)process->epoch_ms << 20,
                                    .seed = world->seed};
    self->source = count_source_new(&source);
    self->outbox = outbox_new(&outbox);
}

void
sampler_start(struct world *world, unsigned sampler)
{
    struct sampler *self = &world->samplers[sampler];
    bool served[SHARD_COUNT];
    owners[sampler] = (struct owner){world, sampler};
    memset(self, 0, sizeof *self);
    shard_plan(sampler, world->sampler_count, world->replicas, served);
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++)
        self->unserved[shard] = !served[shard];
    struct census_options census = {.sample_interval_ms = SAMPLE_MS,
                                    .snapshot_interval_ms = WINDOW_MS,
                                    .heartbeat_interval_ms = HEARTBEAT_MS,
                                    .node_timeout_ms = NODE_TIMEOUT_MS,
                                    .unserved = self->unserved,
                                    .change = on_change,
                                    .snapshot = on_snapshot,
                                    .closed = on_closed,
                                    .renew = on_renew,
                                    .news = on_news,
                                    .arg = &owners[sampler]};
    self->census = census_new(&census, world->now_ms);
    make_source(world, sampler);
}

void
sampler_stop(struct world *world, unsigned sampler, bool bye)
{
    struct sampler *self = &world->samplers[sampler];
    if (bye)
        count_source_leave(self->source, sampler_now(world, sampler));
    world->processes[GATEWAYS + sampler].alive = false; /* what goes now is nobody's fault */
    count_source_destroy(&self->source);
    census_destroy(&self->census);
    outbox_destroy(&self->outbox);
    self->started = false;
}

/* Round robin over the stores that are there, as a DEALER does. */
static bool
send_batch(struct world *world, unsigned sampler, const struct outbox_batch *batch)
{
    struct sampler *self = &world->samplers[sampler];
    for (unsigned i = 0; i < STORES; i++) {
        unsigned store = self->next_store++ % STORES;
        struct link *link =
            network_link(world, GATEWAYS + sampler, GATEWAYS + SAMPLERS + store);
        if (network_send_batch(world, link, batch))
            return true;
    }
    return false;
}

static void
step_outbox(struct world *world, unsigned sampler)
{
    struct sampler *self = &world->samplers[sampler];
    struct outbox_batch batch;
    while (outbox_next(self->outbox, world->now_ms, &batch))
        if (!send_batch(world, sampler, &batch))
            outbox_unsent(self->outbox, batch.id, world->now_ms);
}

void
sampler_step(struct world *world, unsigned sampler)
{
    struct sampler *self = &world->samplers[sampler];
    struct moment now = sampler_now(world, sampler);
    if (world->now_ms >= self->census_ms) {
        self->census_ms = world->now_ms + census_tick(self->census, now);
        step_outbox(world, sampler);
    }
    if (!self->started && census_ready(self->census)) {
        self->started = true;
        self->ready_ms = world->now_ms;
        count_source_start(self->source);
        self->source_ms = world->now_ms;
    }
    if (world->now_ms >= self->source_ms)
        self->source_ms = world->now_ms + count_source_run(self->source, BUDGET, now);
}

void
sampler_take(struct world *world, unsigned sampler, const struct message *message)
{
    census_take(world->samplers[sampler].census, message, sampler_now(world, sampler));
}

void
sampler_asked(struct world *world, unsigned sampler, const struct subscription *ask)
{
    struct sampler *self = &world->samplers[sampler];
    count_source_subscribe(self->source, ask);
    self->source_ms = world->now_ms;
}

void
sampler_connected(struct world *world, unsigned sampler, struct link *link)
{
    const struct sampler *self = &world->samplers[sampler];
    struct subscription beats = {.heartbeat = true};
    network_ask(world, link, &beats, false);
    if (serves_all(self)) {
        ask_shard(world, link, "", 0, true);
        return;
    }
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++)
        if (!self->unserved[shard])
            ask_shard(world, link, "", shard, false);
}

void
sampler_acknowledged(struct world *world, unsigned sampler, const struct parcel *parcel)
{
    struct outbox_batch batch;
    outbox_answer(world->samplers[sampler].outbox, parcel->id, parcel->code, world->now_ms,
                  &batch);
}
