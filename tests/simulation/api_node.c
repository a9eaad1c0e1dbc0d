/* An api's reading of live counts, of the real cores: what live_counts does around them,
 * without sockets and HTTP. */
#include <string.h>

#include "world.h"

#define TICK_MS 250 /* as in live_counts.c */

void
api_start(struct world *world, unsigned api)
{
    world->apis[api] = (struct api){live_figures_new(NODE_TIMEOUT_MS, world->now_ms), 0};
}

void
api_stop(struct world *world, unsigned api)
{
    live_figures_destroy(&world->apis[api].figures);
}

static void
ask(struct world *world, struct link *link, const char *node, unsigned shard, bool all)
{
    struct subscription wanted = {.scope = all ? SCOPE_ALL : SCOPE_SHARD, .shard = shard};
    strcpy(wanted.node, node);
    network_ask(world, link, &wanted, !*node);
}

void
api_connected(struct world *world, unsigned api, struct link *link)
{
    struct subscription beats = {.heartbeat = true};
    (void)api;
    network_ask(world, link, &beats, false);
    ask(world, link, "", 0, true);
}

void
api_step(struct world *world, unsigned api)
{
    struct api *self = &world->apis[api];
    struct reader_renewal renewal;
    if (world->now_ms < self->tick_ms)
        return;
    self->tick_ms = world->now_ms + TICK_MS;
    live_figures_tick(self->figures, world->now_ms);
    while (live_figures_renewal(self->figures, world->now_ms, &renewal)) {
        for (unsigned s = 0; s < SAMPLERS; s++) {
            struct link *link = network_link(world, FIRST_API + api, GATEWAYS + s);
            ask(world, link, renewal.node, renewal.shard, false);
            if (renewal.attempt >= READER_RESUBSCRIBE)
                ask(world, link, "", 0, true);
        }
    }
}

void
api_take(struct world *world, unsigned api, const struct message *message)
{
    live_figures_take(world->apis[api].figures, message, world->now_ms);
}
