/* A gateway of the real cores: what attendance, event_publish and count_intake do around them,
 * without sockets. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"

#include "container.h"

#include "world.h"

#define ANSWER_STEPS 1000 /* as in event_publish.c */
#define FOLLOW_TICK_MS 100
#define SEED 7

static struct event_time
event_now(const struct world *world, unsigned gateway)
{
    return (struct event_time){wall_ms(world, gateway), world->now_ms};
}

/* The world is found by where the emitting gateway stands in it. */
struct emitter {
    struct world *world;
    unsigned gateway;
};
static struct emitter emitters[GATEWAYS];

static void
emit(void *arg, const struct message *message)
{
    const struct emitter *emitter = arg;
    network_publish(emitter->world, emitter->gateway, message);
}

static void
ignore_change(void *arg, struct follow_auction *auction)
{
    (void)arg, (void)auction; /* viewers' frames are not simulated: counts are looked up */
}

void
gateway_start(struct world *world, unsigned gateway)
{
    struct gateway *self = &world->gateways[gateway];
    struct process *process = &world->processes[gateway];
    emitters[gateway] = (struct emitter){world, gateway};
    struct event_source_options options = {.node = process->node,
                                           .epoch_ms = process->epoch_ms,
                                           .heartbeat_ms = HEARTBEAT_MS,
                                           .emit = emit,
                                           .arg = &emitters[gateway]};
    *self = (struct gateway){.audience = audience_new(SEED, 1000)};
    options.audience = self->audience;
    self->source = event_source_new(&options);
    self->follow = follow_new(NODE_TIMEOUT_MS, ignore_change, NULL);
    for (unsigned a = 0; a < AUCTIONS; a++)
        self->held_ms[a] = -1;
    event_source_set_state(self->source, NODE_READY, event_now(world, gateway));
}

/* Truth, as the referee knows it. */
static void
note_move(struct world *world, unsigned auction, int more)
{
    world->truth[auction] += more;
    world->moves[auction][world->now_ms / STEP_MS % HISTORY]++;
}

/* Its gateway has crashed. */
static void
lose_viewer(struct world *world, struct gateway *self, unsigned viewer)
{
    note_move(world, auction_of(self->viewers[viewer].auction->id), -1);
    audience_leave(self->audience, &self->viewers[viewer], 0);
}

void
gateway_stop(struct world *world, unsigned gateway, bool bye)
{
    struct gateway *self = &world->gateways[gateway];
    for (unsigned v = 0; v < VIEWERS; v++) {
        if (self->viewers[v].auction && bye)
            gateway_leave(world, gateway, v);
        else if (self->viewers[v].auction)
            lose_viewer(world, self, v);
    }
    if (bye)
        event_source_bye(self->source, event_now(world, gateway));
    event_source_destroy(&self->source);
    follow_destroy(&self->follow);
    audience_destroy(&self->audience);
    for (unsigned a = 0; a < AUCTIONS; a++)
        self->held_ms[a] = -1;
}

static void
ask_auction(struct world *world, struct link *link, unsigned auction)
{
    struct subscription ask = {.scope = SCOPE_AUCTION, .shard = shard_of(auction)};
    strcpy(ask.auction, auction_name(auction));
    network_ask(world, link, &ask, true);
}

static void
renew_auctions(struct world *world, unsigned gateway)
{
    struct follow_auction *follow;
    while ((follow = follow_next_renewal(world->gateways[gateway].follow, world->now_ms))) {
        unsigned auction = auction_of(container_of(follow, struct auction, follow)->id);
        for (unsigned s = 0; s < SAMPLERS; s++)
            ask_auction(world, network_link(world, gateway, GATEWAYS + s), auction);
    }
}

void
gateway_step(struct world *world, unsigned gateway)
{
    struct gateway *self = &world->gateways[gateway];
    if (world->now_ms >= self->source_ms)
        self->source_ms = world->now_ms + event_source_tick(self->source, ANSWER_STEPS,
                                                            event_now(world, gateway));
    if (world->now_ms < self->follow_ms)
        return;
    self->follow_ms = world->now_ms + FOLLOW_TICK_MS;
    follow_tick(self->follow, world->now_ms);
    renew_auctions(world, gateway);
    struct auction *idle;
    while ((idle = audience_forgettable(self->audience, world->now_ms))) {
        event_source_forget(self->source, idle);
        audience_forget(self->audience, idle);
    }
}

void
gateway_take(struct world *world, unsigned gateway, const struct message *message)
{
    struct gateway *self = &world->gateways[gateway];
    struct auction *auction = NULL;
    switch (message->kind) {
    case MESSAGE_COUNT:
        auction = audience_find(self->audience, message->auction);
        follow_count(self->follow, message, auction ? &auction->follow : NULL,
                     auction ? auction_viewers(auction) : 0, world->now_ms);
        break;
    case MESSAGE_HEARTBEAT:
        follow_heartbeat(self->follow, message, world->now_ms);
        break;
    case MESSAGE_BYE:
        follow_bye(self->follow, message, world->now_ms);
        break;
    default:
        assert(false);
    }
}

void
gateway_asked(struct world *world, unsigned gateway, const struct subscription *ask)
{
    event_source_subscribe(world->gateways[gateway].source, ask);
    world->gateways[gateway].source_ms = world->now_ms;
}

void
gateway_connected(struct world *world, unsigned gateway, struct link *link)
{
    struct subscription beats = {.heartbeat = true};
    network_ask(world, link, &beats, false);
    for (unsigned a = 0; a < AUCTIONS; a++)
        if (gateway_viewers(world, gateway, a))
            ask_auction(world, link, a);
}

void
gateway_join(struct world *world, unsigned gateway, unsigned auction)
{
    struct gateway *self = &world->gateways[gateway];
    unsigned v = 0;
    while (v < VIEWERS && self->viewers[v].auction)
        v++;
    if (v == VIEWERS)
        return;
    self->viewers[v] = (struct viewer){0};
    struct auction *joined =
        audience_join(self->audience, auction_name(auction), &self->viewers[v]);
    note_move(world, auction, 1);
    event_source_change(self->source, joined, CHANGE_JOIN, event_now(world, gateway));
    if (auction_viewers(joined) > 1)
        return;
    self->held_ms[auction] = world->now_ms;
    for (unsigned s = 0; s < SAMPLERS; s++)
        ask_auction(world, network_link(world, gateway, GATEWAYS + s), auction);
    follow_watch(self->follow, &joined->follow, joined->shard, world->now_ms);
}

void
gateway_leave(struct world *world, unsigned gateway, unsigned viewer)
{
    struct gateway *self = &world->gateways[gateway];
    struct auction *left =
        audience_leave(self->audience, &self->viewers[viewer], world->now_ms);
    if (!left)
        return;
    unsigned auction = auction_of(left->id);
    note_move(world, auction, -1);
    event_source_change(self->source, left, CHANGE_LEAVE, event_now(world, gateway));
    if (auction_viewers(left))
        return;
    self->held_ms[auction] = -1;
    for (unsigned s = 0; s < SAMPLERS; s++)
        network_forget(world, network_link(world, gateway, GATEWAYS + s), auction);
    follow_unwatch(self->follow, &left->follow);
}

uint64_t
gateway_viewers(const struct world *world, unsigned gateway, unsigned auction)
{
    const struct gateway *self = &world->gateways[gateway];
    if (!world->processes[gateway].alive)
        return 0;
    const struct auction *found = audience_find(self->audience, auction_name(auction));
    return found ? auction_viewers(found) : 0;
}
