/* The invariants. Truth is what gateways that live hold. */
#include <string.h>

#include "world.h"

#define SETTLE_MS 1500 /* in which a sampler hears of what happened at a healthy gateway */
#define LATE_MS 300    /* after a window's end its snapshots are made */
#define LAG_MS 50      /* from a move to the samplers, and their clocks' grain */
#define LAG_NEW_MS 700 /* the same at a gateway that has just started */
#define LAG_DELAYED_MS                                                                         \
    1700 /* the same through a link that has stalled, for no longer than shows */
#define DEAD_MS (NODE_TIMEOUT_MS + 1000)

static bool
serves(const struct sampler *sampler, unsigned auction)
{
    return !sampler->unserved[shard_of(auction)];
}

static uint64_t
truth(const struct world *world, unsigned auction)
{
    return (uint64_t)world->truth[auction];
}

static unsigned
history(int64_t now_ms)
{
    return (unsigned)(now_ms / STEP_MS % HISTORY);
}

/* Ends a step: what was true in it joins what was true before. */
static void
remember_truth(struct world *world)
{
    unsigned here = history(world->now_ms), next = history(world->now_ms + STEP_MS);
    for (unsigned a = 0; a < AUCTIONS; a++) {
        world->areas[a][next] = world->areas[a][here] + world->truth[a] * STEP_MS;
        world->moves[a][next] = world->moves[a][here];
    }
}

void
referee_change(struct world *world, unsigned sampler, const char *auction, uint64_t count)
{
    if (count > (uint64_t)GATEWAYS * VIEWERS * 8)
        fail(world, "sampler %u counts %lld in %s", sampler, (long long)count, auction);
}

static void
check_order(struct world *world, const struct snapshot *s)
{
    bool ordered = s->exact_peak >= s->peak_viewers && s->peak_viewers >= s->avg_viewers &&
                   s->avg_viewers >= s->min_viewers && s->min_viewers >= s->exact_min &&
                   s->exact_min >= 0 && s->exact_avg >= s->exact_min &&
                   s->exact_avg <= s->exact_peak;
    if (!ordered)
        fail(world, "%s: peak %lld/%lld, average %f, minimum %lld/%lld are out of order",
             s->auction, (long long)s->exact_peak, (long long)s->peak_viewers, s->avg_viewers,
             (long long)s->min_viewers, (long long)s->exact_min);
    if (s->sample_count > WINDOW_MS / SAMPLE_MS || s->coverage_ms > WINDOW_MS)
        fail(world, "%s: %lld samples over %lld ms in one window", s->auction,
             (long long)s->sample_count, (long long)s->coverage_ms);
}

/* Two windows on end, both seen whole: what came and went is the difference. (A clock that
 * steps back begins a window again: what the first attempt saw of it is void.) */
static void
check_flow(struct world *world, const struct snapshot *before, const struct snapshot *after)
{
    if (before->timestamp_ms != after->timestamp_ms - WINDOW_MS ||
        before->coverage_ms != WINDOW_MS || after->coverage_ms != WINDOW_MS)
        return;
    if (after->viewer_count - before->viewer_count != after->joins - after->leaves)
        fail(world, "%s: from %lld to %lld viewers with %lld joins and %lld leaves",
             after->auction, (long long)before->viewer_count, (long long)after->viewer_count,
             (long long)after->joins, (long long)after->leaves);
}

static bool
is_healthy_since(const struct world *world, unsigned process, int64_t since_ms)
{
    const struct process *p = &world->processes[process];
    return runs(world, process) && !p->cuts && p->faulted_ms < since_ms &&
           p->started_ms < since_ms;
}

static bool
is_all_calm(const struct world *world, int64_t since_ms)
{
    if (world->deaf_spots || world->loss_ms > since_ms - DEAD_MS)
        return false; /* what was missed may not be healed yet */
    for (unsigned g = 0; g < GATEWAYS; g++)
        if (world->processes[g].here && !is_healthy_since(world, g, since_ms))
            return false;
    for (unsigned i = 0; i < world->grave_count; i++)
        if (world->graves[i].died_ms > since_ms - DEAD_MS)
            return false; /* whose viewers may have counted for a while yet */
    return true;
}

/* How late a sampler may hear of a move without knowing that it is late. */
static int
lag_ms(const struct world *world, int64_t since_ms)
{
    if (world->delayed_ms > since_ms)
        return LAG_DELAYED_MS;
    for (unsigned g = 0; g < GATEWAYS; g++)
        if (world->processes[g].here && world->processes[g].started_ms > since_ms)
            return LAG_NEW_MS; /* until it is connected it is not known to be there */
    return LAG_MS;
}

/* Whether a sampler knew of every gateway that was there: of one that it has not heard, behind
 * a link that is cut, say, it can tell nobody. */
static bool
knows_all(const struct world *world, unsigned sampler, int64_t begin_ms, int64_t end_ms)
{
    const struct sampler *self = &world->samplers[sampler];
    for (unsigned g = 0; g < GATEWAYS; g++) {
        const struct process *p = &world->processes[g];
        int64_t in_time_ms = p->started_ms + LAG_NEW_MS;
        if (in_time_ms < begin_ms)
            in_time_ms = begin_ms;
        if (p->here && p->alive && p->started_ms < end_ms &&
            (self->known_ms[g] < p->started_ms || self->known_ms[g] > in_time_ms))
            return false;
    }
    return self->blind_ms < begin_ms;
}

/* A snapshot that says it is complete tells the truth; and one of a window in which nothing
 * went wrong is complete, its average right but for what was on its way when it began and
 * ended. */
static void
check_average(struct world *world, unsigned sampler, const struct snapshot *snapshot)
{
    const struct process *process = &world->processes[GATEWAYS + sampler];
    unsigned auction = auction_of(snapshot->auction);
    int64_t at_ms = snapshot->timestamp_ms - WALL_MS - process->skew_ms;
    int64_t since_ms = at_ms - WINDOW_MS - SETTLE_MS;
    unsigned begin = history(at_ms - WINDOW_MS), end = history(at_ms);
    bool calm = is_all_calm(world, since_ms) &&
                is_healthy_since(world, GATEWAYS + sampler, since_ms - DEAD_MS);
    double average =
        (double)(world->areas[auction][end] - world->areas[auction][begin]) / WINDOW_MS;
    int lag = lag_ms(world, since_ms);
    unsigned before = history(at_ms - WINDOW_MS - lag);
    double moves = (double)(world->moves[auction][end] - world->moves[auction][before]);
    double off = snapshot->exact_avg - average;
    double most = (moves + 1) * lag / WINDOW_MS + 0.01;
    if (process->stepped_ms > at_ms - 2 * WINDOW_MS)
        return; /* its window is of another time */
    if (calm && !snapshot->complete)
        fail(world, "%s: a snapshot of a calm window is not complete", snapshot->auction);
    if (snapshot->complete && (off > most || off < -most) &&
        knows_all(world, sampler, at_ms - WINDOW_MS - lag, at_ms))
        fail(world, "%s: average %f, where it was %f", snapshot->auction, snapshot->exact_avg,
             average);
}

/* The sampler says that it saw all of the window: so must the database, whoever else says what.
 */
static void
note_complete(struct world *world, unsigned sampler, const struct snapshot *snapshot)
{
    unsigned auction = auction_of(snapshot->auction);
    int64_t window = (snapshot->timestamp_ms - WALL_MS) / WINDOW_MS;
    if (snapshot->complete && !world->ending && window >= 0 && window < WINDOWS)
        world->complete[auction][window] =
            (struct owed){true, sampler, world->processes[GATEWAYS + sampler].runs};
}

void
referee_snapshot(struct world *world, unsigned sampler, const struct snapshot *snapshot)
{
    unsigned auction = auction_of(snapshot->auction);
    note_complete(world, sampler, snapshot);
    check_order(world, snapshot);
    if (world->processes[GATEWAYS + sampler].stepped_ms < world->now_ms - 2 * WINDOW_MS)
        check_flow(world, &world->samplers[sampler].last[auction], snapshot);
    check_average(world, sampler, snapshot);
    if (!serves(&world->samplers[sampler], auction))
        fail(world, "sampler %u made a snapshot of %s, which is not its", sampler,
             snapshot->auction);
}

static bool
is_alive(const struct world *world, const char *node, int64_t epoch_ms)
{
    for (unsigned g = 0; g < GATEWAYS; g++) {
        const struct process *p = &world->processes[g];
        if (p->here && p->alive && p->epoch_ms == epoch_ms && !strcmp(p->node, node))
            return true;
    }
    return false;
}

static const struct grave *
find_grave(const struct world *world, const char *node, int64_t epoch_ms)
{
    for (unsigned i = 0; i < world->grave_count; i++)
        if (world->graves[i].epoch_ms == epoch_ms && !strcmp(world->graves[i].node, node))
            return &world->graves[i];
    return NULL;
}

static void
check_the_dead(struct world *world, unsigned sampler)
{
    int64_t since_ms = world->now_ms - DEAD_MS - world->slow_ms;
    if (!is_healthy_since(world, GATEWAYS + sampler, since_ms))
        return;
    const struct reader *reader = roster_reader(census_roster(world->samplers[sampler].census));
    const struct reader_node *node = reader_first(reader);
    for (; node; node = reader_next(reader, node)) {
        if (!node->epoch_ms || is_alive(world, node->id, node->epoch_ms))
            continue;
        const struct grave *grave = find_grave(world, node->id, node->epoch_ms);
        if (!grave || grave->died_ms < since_ms)
            fail(world, "sampler %u still counts %s, dead for more than %d ms", sampler,
                 node->id, DEAD_MS);
    }
}

/* Whether somebody watched the auction, at a healthy gateway, since then. */
static bool
is_held_since(const struct world *world, unsigned auction, int64_t since_ms)
{
    for (unsigned g = 0; g < GATEWAYS; g++) {
        int64_t held_ms = world->gateways[g].held_ms[auction];
        if (is_healthy_since(world, g, since_ms) && held_ms >= 0 && held_ms < since_ms)
            return true;
    }
    return false;
}

/* The sampler's window has ended: notes what it must have seen whole. */
static void
note_window(struct world *world, unsigned sampler, int64_t end_ms)
{
    const struct sampler *self = &world->samplers[sampler];
    int64_t since_ms = world->now_ms - WINDOW_MS - SETTLE_MS;
    int64_t window = (end_ms - WALL_MS) / WINDOW_MS;
    bool calm = !world->ending && world->loss_ms < since_ms && self->started &&
                self->ready_ms < since_ms &&
                is_healthy_since(world, GATEWAYS + sampler, since_ms);
    for (unsigned a = 0; calm && a < AUCTIONS; a++) {
        if (serves(self, a) && is_held_since(world, a, since_ms))
            world->owed[a][window] =
                (struct owed){true, sampler, world->processes[GATEWAYS + sampler].runs};
    }
}

void
referee_step(struct world *world)
{
    remember_truth(world);
    for (unsigned s = 0; s < SAMPLERS; s++) {
        if (!runs(world, GATEWAYS + s))
            continue;
        struct sampler *self = &world->samplers[s];
        int64_t wall = wall_ms(world, GATEWAYS + s) - LATE_MS;
        int64_t end_ms = wall - wall % WINDOW_MS;
        if (end_ms != self->window_ms && self->window_ms)
            note_window(world, s, end_ms);
        self->window_ms = end_ms;
        check_the_dead(world, s);
    }
}

static void
check_sampler(struct world *world, unsigned sampler)
{
    const struct sampler *self = &world->samplers[sampler];
    const struct roster *roster = census_roster(self->census);
    uint64_t total = 0;
    if (!self->started)
        fail(world, "sampler %u is not ready", sampler);
    for (unsigned a = 0; a < AUCTIONS; a++) {
        if (!serves(self, a))
            continue;
        uint64_t counted = tally_count(roster_tally(roster), auction_name(a));
        total += truth(world, a);
        if (counted != truth(world, a))
            fail(world, "sampler %u counts %lld viewers in %s, where %lld are", sampler,
                 (long long)counted, auction_name(a), (long long)truth(world, a));
    }
    if (tally_total(roster_tally(roster)) != total)
        fail(world, "sampler %u counts %lld viewers in all, where %lld are", sampler,
             (long long)tally_total(roster_tally(roster)), (long long)total);
    if (roster_troubled(roster))
        fail(world, "sampler %u knows that something is missing", sampler);
}

/* Whether some sampler that lives serves the auction. */
static bool
is_served(const struct world *world, unsigned auction)
{
    for (unsigned s = 0; s < SAMPLERS; s++)
        if (runs(world, GATEWAYS + s) && serves(&world->samplers[s], auction))
            return true;
    return false;
}

static void
check_gateway(struct world *world, unsigned gateway)
{
    for (unsigned a = 0; a < AUCTIONS; a++) {
        const struct auction *auction =
            audience_find(world->gateways[gateway].audience, auction_name(a));
        if (!auction || !auction_viewers(auction) || !is_served(world, a))
            continue;
        if (auction_count(auction) != truth(world, a))
            fail(world, "gateway %u shows %lld viewers in %s, where %lld are", gateway,
                 (long long)auction_count(auction), auction_name(a),
                 (long long)truth(world, a));
    }
}

static void
check_api(struct world *world, unsigned api)
{
    const struct live_figures *figures = world->apis[api].figures;
    for (unsigned a = 0; a < AUCTIONS; a++) {
        if (!is_served(world, a))
            continue;
        if (!live_figures_known(figures, shard_of(a)))
            fail(world, "the api does not know how many watch %s", auction_name(a));
        else if (live_figures_count(figures, auction_name(a)) != truth(world, a))
            fail(world, "the api says %lld viewers in %s, where %lld are",
                 (long long)live_figures_count(figures, auction_name(a)), auction_name(a),
                 (long long)truth(world, a));
    }
}

void
referee_quiet(struct world *world, bool last)
{
    for (unsigned a = 0; a < APIS; a++)
        if (runs(world, FIRST_API + a) && (last || !world->deaf_spots))
            check_api(world, a);
    for (unsigned s = 0; s < SAMPLERS; s++)
        if (runs(world, GATEWAYS + s))
            check_sampler(world, s);
    for (unsigned g = 0; g < GATEWAYS; g++)
        if (runs(world, g))
            check_gateway(world, g);
}

/* Whether it is owed, and who owes it still lives. */
static bool
is_due(const struct world *world, const struct owed *owed)
{
    const struct process *sampler = &world->processes[GATEWAYS + owed->sampler];
    return owed->owed && sampler->alive && sampler->runs == owed->run;
}

static void
check_row(struct world *world, unsigned auction, unsigned window)
{
    const struct owed *owed = &world->owed[auction][window];
    const struct owed *complete = &world->complete[auction][window];
    const struct stored *stored = &world->database[auction][window];
    if (is_due(world, complete) && !(stored->there && stored->row.complete))
        fail(world, "%s has no complete snapshot of window %u, of which sampler %u made one",
             auction_name(auction), window, complete->sampler);
    if (!is_due(world, owed))
        return;
    if (!stored->there)
        fail(world, "%s has no snapshot of window %u, which sampler %u saw whole",
             auction_name(auction), window, owed->sampler);
    else if (stored->row.sample_count != WINDOW_MS / SAMPLE_MS)
        fail(world, "%s has %lld samples of window %u, which sampler %u saw whole",
             auction_name(auction), (long long)stored->row.sample_count, window, owed->sampler);
}

void
referee_end(struct world *world)
{
    for (unsigned a = 0; a < AUCTIONS; a++)
        for (unsigned w = 0; w < WINDOWS; w++)
            check_row(world, a, w);
}
