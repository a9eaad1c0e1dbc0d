/* Connections between processes, as ZeroMQ makes them: a reader connects and says what it
 * subscribes to; what is said then comes in order or is lost; a connection that is silent for
 * too long is given up and made anew. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "world.h"

#define QUEUE_MAX 4000 /* the high-water mark */
#define DELAY_MS 20    /* of a healthy network, at most */

static void
init_lane(struct lane *lane)
{
    *lane = (struct lane){.end = &lane->first};
}

static void
add_link(struct world *world, unsigned from, unsigned to)
{
    struct link *link = &world->links[world->link_count++];
    *link = (struct link){.from = from, .to = to};
}

void
network_make(struct world *world)
{
    world->link_count = 0;
    for (unsigned g = 0; g < GATEWAYS; g++) {
        for (unsigned s = 0; s < SAMPLERS; s++) {
            add_link(world, GATEWAYS + s, g); /* events */
            add_link(world, g, GATEWAYS + s); /* counts */
        }
    }
    for (unsigned s = 0; s < SAMPLERS; s++)
        for (unsigned t = 0; t < STORES; t++)
            add_link(world, GATEWAYS + s, GATEWAYS + SAMPLERS + t);
    for (unsigned s = 0; s < SAMPLERS; s++)
        for (unsigned a = 0; a < APIS; a++)
            add_link(world, FIRST_API + a, GATEWAYS + s);
    for (unsigned i = 0; i < world->link_count; i++) {
        init_lane(&world->links[i].forth);
        init_lane(&world->links[i].back);
    }
}

static void
free_parcel(struct parcel *parcel)
{
    free(parcel->rows);
    free(parcel);
}

static void
pop(struct lane *lane)
{
    struct parcel *parcel = lane->first;
    lane->first = parcel->next;
    if (!lane->first)
        lane->end = &lane->first;
    lane->length--;
    free_parcel(parcel);
}

static void
flush(struct lane *lane)
{
    while (lane->first)
        pop(lane);
}

void
network_fini(struct world *world)
{
    for (unsigned i = 0; i < world->link_count; i++) {
        flush(&world->links[i].forth);
        flush(&world->links[i].back);
    }
}

static void
push(struct world *world, struct lane *lane, struct parcel *parcel)
{
    if (lane->length >= QUEUE_MAX) {
        world->loss_ms = world->now_ms;
        free_parcel(parcel);
        return;
    }
    if (world->slow_ms)
        world->loss_ms = world->delayed_ms = world->now_ms;
    unsigned most = (unsigned)(world->slow_ms > DELAY_MS ? world->slow_ms : DELAY_MS);
    parcel->due_ms = world->now_ms + draw(world, most);
    if (parcel->due_ms < lane->last_due_ms)
        parcel->due_ms = lane->last_due_ms;
    lane->last_due_ms = parcel->due_ms;
    *lane->end = parcel;
    lane->end = &parcel->next;
    lane->length++;
}

static bool
is_lost(struct world *world)
{
    if (!world->loss || draw(world, 100) >= world->loss)
        return false;
    world->loss_ms = world->now_ms;
    return true;
}

struct link *
network_link(struct world *world, unsigned from, unsigned to)
{
    for (unsigned i = 0; i < world->link_count; i++)
        if (world->links[i].from == from && world->links[i].to == to)
            return &world->links[i];
    return NULL;
}

static bool
is_subscribed(const struct link *link, const struct message *message)
{
    if (message->kind == MESSAGE_HEARTBEAT || message->kind == MESSAGE_BYE)
        return true;
    if (message->kind == MESSAGE_COUNT)
        return link->shards[message->shard] ||
               (*message->auction && link->auctions[auction_of(message->auction)]);
    return message->kind == MESSAGE_EVENT && link->shards[message->shard];
}

static struct parcel *
make_message(const struct message *message)
{
    size_t bytes = message->kind == MESSAGE_HEARTBEAT ? sizeof *message
                                                      : offsetof(struct message, snapshot);
    struct parcel *parcel = mem_alloc(sizeof *parcel + bytes);
    parcel->kind = PARCEL_MESSAGE;
    parcel->bytes = (unsigned char *)(parcel + 1);
    parcel->byte_count = bytes;
    memcpy(parcel->bytes, message, bytes);
    return parcel;
}

void
network_publish(struct world *world, unsigned from, const struct message *message)
{
    for (unsigned i = 0; i < world->link_count; i++) {
        struct link *link = &world->links[i];
        if (link->to != from || !link->up || !is_subscribed(link, message) || is_lost(world))
            continue;
        push(world, &link->back, make_message(message));
        if (world->loss && draw(world, 100) < world->loss)
            push(world, &link->back, make_message(message)); /* doubled */
    }
}

void
network_ask(struct world *world, struct link *link, const struct subscription *ask,
            bool subscribes)
{
    bool single = ask->scope == SCOPE_AUCTION;
    if (!link->up)
        return;
    if (!single && is_lost(world)) {
        world->deaf_spots |= subscribes;
        return;
    }
    struct parcel *parcel = mem_alloc(sizeof *parcel);
    parcel->kind = PARCEL_ASK;
    parcel->ask = *ask;
    parcel->subscribes = subscribes;
    push(world, &link->forth, parcel);
}

void
network_forget(struct world *world, struct link *link, unsigned auction)
{
    if (!link->up)
        return;
    struct parcel *parcel = mem_alloc(sizeof *parcel);
    parcel->kind = PARCEL_FORGET;
    strcpy(parcel->ask.auction, auction_name(auction));
    push(world, &link->forth, parcel);
}

bool
network_send_batch(struct world *world, struct link *link, const struct outbox_batch *batch)
{
    if (!link->up)
        return false;
    if (is_lost(world))
        return true;
    struct parcel *parcel = mem_alloc(sizeof *parcel);
    parcel->kind = PARCEL_BATCH;
    parcel->id = batch->id;
    parcel->row_count = batch->row_count;
    parcel->rows = mem_alloc(batch->row_count * sizeof *parcel->rows);
    memcpy(parcel->rows, batch->rows, batch->row_count * sizeof *parcel->rows);
    push(world, &link->forth, parcel);
    return true;
}

void
network_send_ack(struct world *world, struct link *link, uint64_t id, enum ack_code code)
{
    if (!link->up || is_lost(world))
        return;
    struct parcel *parcel = mem_alloc(sizeof *parcel);
    parcel->kind = PARCEL_ACK;
    parcel->id = id;
    parcel->code = code;
    push(world, &link->back, parcel);
}

static bool
is_gateway(unsigned process)
{
    return process < GATEWAYS;
}

/* What the connecting side of a link hears. */
static void
deliver_back(struct world *world, struct link *link, const struct parcel *parcel)
{
    static struct message message;
    unsigned from = link->from;
    if (parcel->kind == PARCEL_ACK) {
        sampler_acknowledged(world, from - GATEWAYS, parcel);
        return;
    }
    memcpy(&message, parcel->bytes, parcel->byte_count);
    if (is_gateway(from))
        gateway_take(world, from, &message);
    else if (from >= FIRST_API)
        api_take(world, from - FIRST_API, &message);
    else
        sampler_take(world, from - GATEWAYS, &message);
}

static void
note_subscription(struct link *link, const struct subscription *ask)
{
    if (ask->scope == SCOPE_ALL)
        memset(link->shards, true, sizeof link->shards);
    else if (ask->scope == SCOPE_SHARD)
        link->shards[ask->shard] = true;
    else if (ask->scope == SCOPE_AUCTION)
        link->auctions[auction_of(ask->auction)] = true;
}

/* What the side that was connected to hears. */
static void
deliver_forth(struct world *world, struct link *link, const struct parcel *parcel)
{
    if (parcel->kind == PARCEL_BATCH) {
        store_take(world, link->to - GATEWAYS - SAMPLERS, link, parcel);
        return;
    }
    if (parcel->kind == PARCEL_FORGET) {
        link->auctions[auction_of(parcel->ask.auction)] = false;
        return;
    }
    if (parcel->subscribes)
        note_subscription(link, &parcel->ask);
    if (is_gateway(link->to))
        gateway_asked(world, link->to, &parcel->ask);
    else
        sampler_asked(world, link->to - GATEWAYS, &parcel->ask);
}

static void
deliver(struct world *world, struct link *link, struct lane *lane, unsigned receiver)
{
    while (lane->first && lane->first->due_ms <= world->now_ms && !link->cut &&
           runs(world, receiver)) {
        world->delivered++;
        if (lane == &link->back)
            deliver_back(world, link, lane->first);
        else
            deliver_forth(world, link, lane->first);
        pop(lane);
    }
}

static void
go_down(struct world *world, struct link *link)
{
    link->up = false;
    link->connect_ms = world->now_ms + 100 + draw(world, 300);
    memset(link->shards, 0, sizeof link->shards);
    memset(link->auctions, 0, sizeof link->auctions);
}

/* Keeps some of what is under way: what the kernel had received already. */
static void
shorten(struct world *world, struct lane *lane)
{
    unsigned keep = lane->length ? draw(world, lane->length + 1) : 0;
    struct parcel **at = &lane->first;
    for (unsigned i = 0; i < keep; i++)
        at = &(*at)->next;
    struct parcel *rest = *at;
    *at = NULL;
    lane->end = at;
    lane->length = keep;
    while (rest) {
        struct parcel *next = rest->next;
        free_parcel(rest);
        rest = next;
    }
}

void
network_drop(struct world *world, unsigned process, bool politely)
{
    for (unsigned i = 0; i < world->link_count; i++) {
        struct link *link = &world->links[i];
        if (link->from != process && link->to != process)
            continue;
        struct lane *incoming = link->from == process ? &link->back : &link->forth;
        struct lane *outgoing = link->from == process ? &link->forth : &link->back;
        flush(incoming);
        if (!politely)
            shorten(world, outgoing);
        go_down(world, link);
    }
}

static bool
is_silent(const struct world *world, const struct link *link)
{
    const struct process *from = &world->processes[link->from];
    const struct process *to = &world->processes[link->to];
    return (link->cut && world->now_ms - link->cut_ms >= LINK_TIMEOUT_MS) ||
           (from->paused && world->now_ms - from->paused_ms >= LINK_TIMEOUT_MS) ||
           (to->paused && world->now_ms - to->paused_ms >= LINK_TIMEOUT_MS);
}

static void
connect_link(struct world *world, struct link *link)
{
    link->up = true;
    if (is_gateway(link->from))
        gateway_connected(world, link->from, link);
    else if (link->from >= FIRST_API)
        api_connected(world, link->from - FIRST_API, link);
    else if (is_gateway(link->to))
        sampler_connected(world, link->from - GATEWAYS, link);
}

static void
step_link(struct world *world, struct link *link)
{
    if (link->up && is_silent(world, link)) {
        go_down(world, link);
        shorten(world, &link->forth);
        shorten(world, &link->back);
    }
    if (!link->up && !link->cut && link->connect_ms <= world->now_ms &&
        runs(world, link->from) && runs(world, link->to))
        connect_link(world, link);
    deliver(world, link, &link->forth, link->to);
    deliver(world, link, &link->back, link->from);
}

void
network_step(struct world *world)
{
    unsigned first = draw(world, world->link_count); /* nobody is always served first */
    for (unsigned i = 0; i < world->link_count; i++) {
        struct link *link = &world->links[(first + i) % world->link_count];
        if (world->processes[link->from].here && world->processes[link->to].here)
            step_link(world, link);
    }
    assert(world->link_count == LINKS);
}
