/* In: decoded messages and moments. Out: changes, snapshots, renewals. Pure; the sampler's one
 * thread. */
#include <stdlib.h>

#include "mem.h"

#include "census.h"
#include "verdict.h"

#define TICKS 10  /* looks at the clock, at least, in what would count as a pause */
#define DRAIN 200 /* auctions whose window is closed in one tick, and snapshots that go out */
#define PATIENCE_TIMEOUTS 2 /* node time-outs that snapshots await their verdict, at most */

struct census {
    struct census_options options;
    struct roster *roster;
    struct window *window;
    struct verdict *verdict;
    struct moment now; /* of the call under way */
    uint64_t gaps;     /* noticed so far */
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

/* Of a gateway that is lost, or came back anew, nobody knows when it died. */
static void
on_news(void *arg, const char *node, enum reader_news news)
{
    struct census *census = arg;
    if (news == READER_LOST || news == READER_RESTARTED) {
        verdict_doubt(census->verdict);
        window_trouble(census->window, true);
    }
    census->options.news(census->options.arg, node, news);
}

static void
on_ended(void *arg)
{
    struct census *census = arg;
    verdict_begin(census->verdict, census->now.mono_ms);
}

static void
on_snapshot(void *arg, const struct snapshot *snapshot)
{
    struct census *census = arg;
    verdict_add(census->verdict, snapshot);
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
                                    .news = on_news,
                                    .change_arg = census,
                                    .news_arg = census};
    struct window_options window = {.sample_ms = options->sample_interval_ms,
                                    .window_ms = options->snapshot_interval_ms,
                                    .ended = on_ended,
                                    .emit = on_snapshot,
                                    .arg = census};
    struct verdict_options verdict = {.patience_ms =
                                          PATIENCE_TIMEOUTS * options->node_timeout_ms,
                                      .emit = options->snapshot,
                                      .closed = options->closed,
                                      .arg = options->arg};
    census->options = *options;
    census->roster = roster_new(&roster, mono_ms);
    census->window = window_new(&window);
    census->verdict = verdict_new(&verdict);
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
    verdict_destroy(&(*census)->verdict);
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

/* Makes the closed window's snapshots and hands on those that need not wait any more, a part at
 * a time. True when there are more. */
static bool
hand_on(struct census *census)
{
    int64_t since_ms;
    const struct reader *reader = roster_reader(census->roster);
    bool more = window_drain(census->window, DRAIN);
    if (!more)
        verdict_end(census->verdict);
    if (reader_gaps(reader) != census->gaps)
        verdict_doubt(census->verdict);
    census->gaps = reader_gaps(reader);
    if (verdict_waits(census->verdict, &since_ms))
        verdict_sound(census->verdict, reader_sound_ms(reader, since_ms));
    return verdict_release(census->verdict, DRAIN, census->now.mono_ms) || more;
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
    if (hand_on(census))
        return 0;
    int64_t wait_ms = window_wait_ms(census->window, now.wall_ms);
    return wait_ms < census->tick_ms ? wait_ms : census->tick_ms;
}

void
census_finish(struct census *census, struct moment now)
{
    window_finish(census->window, now);
    verdict_doubt(census->verdict);
    while (hand_on(census))
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
