/* In: decoded messages and moments. Out: changes, snapshots, renewals. Pure; the sampler's one
 * thread. */
#include <stdlib.h>

#include "mem.h"

#include "census.h"

#define TICKS 10  /* looks at the clock, at least, in what would count as a pause */
#define DRAIN 200 /* auctions whose window is closed in one tick */

struct census {
    struct census_options options;
    struct roster *roster;
    struct window *window;
    struct moment now; /* of the call under way */
    uint64_t closed;   /* windows whose snapshots went out */
    int64_t tick_ms;   /* at most, between two ticks */
    bool ready;
};

static void
on_change(void *arg, const struct tally_change *change)
{
    struct census *census = arg;
    window_change(census->window, change->auction, change->joins, change->leaves, change->count,
                  census->now);
    census->options.change(census->options.arg, change->auction, change->count);
}

struct census *
census_new(const struct census_options *options, int64_t mono_ms)
{
    struct census *census = mem_alloc(sizeof *census);
    int64_t beat_ms = options->heartbeat_interval_ms;
    struct roster_options roster = {.node_timeout_ms = options->node_timeout_ms,
                                    .settle_ms = beat_ms + beat_ms / 4,
                                    .unserved = options->unserved,
                                    .change = on_change,
                                    .news = options->news,
                                    .change_arg = census,
                                    .news_arg = options->arg};
    struct window_options window = {.sample_ms = options->sample_interval_ms,
                                    .window_ms = options->snapshot_interval_ms,
                                    .emit = options->snapshot,
                                    .arg = options->arg};
    census->options = *options;
    census->roster = roster_new(&roster, mono_ms);
    census->window = window_new(&window);
    census->tick_ms = window_slack_ms(census->window) / TICKS;
    return census;
}

void
census_destroy(struct census **census)
{
    if (!*census)
        return;
    roster_destroy(&(*census)->roster);
    window_destroy(&(*census)->window);
    free(*census);
    *census = NULL;
}

enum roster_result
census_take(struct census *census, const struct message *message, struct moment now)
{
    census->now = now;
    enum roster_result result = roster_take(census->roster, message, now.mono_ms);
    window_trouble(census->window, roster_troubled(census->roster));
    return result;
}

/* Hands the closed window's snapshots on, a part at a time. True when there are more. */
static bool
drain_window(struct census *census)
{
    if (window_drain(census->window, DRAIN))
        return true;
    if (window_closed(census->window) == census->closed)
        return false;
    census->closed = window_closed(census->window);
    census->options.closed(census->options.arg);
    return false;
}

int64_t
census_tick(struct census *census, struct moment now)
{
    struct reader_renewal renewal;
    census->now = now;
    roster_tick(census->roster, now.mono_ms);
    while (roster_renewal(census->roster, now.mono_ms, &renewal))
        census->options.renew(census->options.arg, &renewal);
    if (!census->ready && roster_ready(census->roster)) {
        census->ready = true;
        window_start(census->window, now);
    }
    window_trouble(census->window, roster_troubled(census->roster));
    window_advance(census->window, now);
    if (drain_window(census))
        return 0;
    int64_t wait_ms = window_wait_ms(census->window, now.wall_ms);
    return wait_ms < census->tick_ms ? wait_ms : census->tick_ms;
}

void
census_finish(struct census *census)
{
    while (drain_window(census))
        ;
}

bool
census_ready(const struct census *census)
{
    return census->ready;
}

const struct roster *
census_roster(const struct census *census)
{
    return census->roster;
}

const struct window *
census_window(const struct census *census)
{
    return census->window;
}
