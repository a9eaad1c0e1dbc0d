/* In: decoded messages and ticks; out: changes to count_publish, snapshots to snapshot_send and
 * taps, renewals to event_intake. Loop thread. The cores decide; here they are joined. */
#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "mem.h"

#include "counting.h"
#include "roster.h"
#include "sampler_metrics.h"
#include "window.h"

#define TICKS 10  /* looks at the clock, at least, in what would count as a pause */
#define DRAIN 200 /* auctions whose window is closed in one turn of the loop */
#define IGNORED_LOG_MS 10000

struct counting {
    struct counting_neighbours to;
    struct metrics *metrics;
    struct roster *roster;
    struct window *window;
    struct moment now; /* of the message or tick being handled */
    uint64_t closed;   /* windows whose snapshots went out */
    int64_t tick_ms;   /* at most, between two looks at the clock */
    bool started;      /* warmed up */
    struct log_limit ignored_limit;
};

static void
look_at_clock(struct counting *counting)
{
    counting->now = (struct moment){clock_wall_ms(), clock_mono_ms()};
}

static void
on_change(void *arg, const struct tally_change *change)
{
    struct counting *counting = arg;
    window_change(counting->window, change->auction, change->joins, change->leaves,
                  change->count, counting->now);
    count_publish_change(counting->to.publish, change->auction, change->count);
}

/* Gateways come and go rarely: one line each. */
static void
on_news(void *arg, const char *node, enum roster_news news)
{
    struct counting *counting = arg;
    switch (news) {
    case ROSTER_FOUND:
        log_info("sampler.found", "a gateway is heard", LOG_STR("gateway", node));
        break;
    case ROSTER_RESTARTED:
        log_info("sampler.restarted", "a gateway has restarted", LOG_STR("gateway", node));
        break;
    case ROSTER_LEFT:
        log_info("sampler.left", "a gateway has left", LOG_STR("gateway", node));
        break;
    case ROSTER_LOST:
        metrics_add(counting->metrics, METRIC_GATEWAYS_LOST, 1);
        log_warn("sampler.lost", "a gateway is silent; its viewers count no more",
                 LOG_STR("gateway", node));
        break;
    }
}

static void
on_snapshot(void *arg, const struct snapshot *snapshot)
{
    struct counting *counting = arg;
    if (counting->to.send)
        snapshot_send_add(counting->to.send, snapshot);
    count_publish_snapshot(counting->to.publish, snapshot);
}

struct counting *
counting_new(const struct counting_options *options)
{
    struct counting *counting = mem_alloc(sizeof *counting);
    int64_t beat_ms = options->heartbeat_interval_ms;
    struct roster_options roster = {.node_timeout_ms = options->node_timeout_ms,
                                    .settle_ms = beat_ms + beat_ms / 4,
                                    .change = on_change,
                                    .news = on_news,
                                    .arg = counting};
    struct window_options window = {.sample_ms = options->sample_interval_ms,
                                    .window_ms = options->snapshot_interval_ms,
                                    .emit = on_snapshot,
                                    .arg = counting};
    counting->metrics = options->metrics;
    counting->roster = roster_new(&roster, clock_mono_ms());
    counting->window = window_new(&window);
    counting->tick_ms = window_slack_ms(counting->window) / TICKS;
    return counting;
}

void
counting_connect(struct counting *counting, const struct counting_neighbours *neighbours)
{
    counting->to = *neighbours;
}

const struct tally *
counting_tally(const struct counting *counting)
{
    return roster_tally(counting->roster);
}

bool
counting_ready(const struct counting *counting)
{
    return counting->started;
}

void
counting_destroy(struct counting **counting)
{
    if (!*counting)
        return;
    roster_destroy(&(*counting)->roster);
    window_destroy(&(*counting)->window);
    free(*counting);
    *counting = NULL;
}

static void
note_ignored(struct counting *counting, enum sampler_metric metric, const char *node,
             const char *why)
{
    int64_t suppressed;
    metrics_add(counting->metrics, metric, 1);
    if (log_allowed(&counting->ignored_limit, counting->now.mono_ms, IGNORED_LOG_MS,
                    &suppressed))
        log_warn("sampler.ignored", why, LOG_STR("gateway", node),
                 LOG_INT("suppressed", suppressed));
}

void
counting_take(struct counting *counting, const struct message *message)
{
    look_at_clock(counting);
    enum roster_result result = roster_take(counting->roster, message, counting->now.mono_ms);
    window_trouble(counting->window, roster_troubled(counting->roster));
    if (result == ROSTER_OLD)
        note_ignored(counting, METRIC_OLD, message->node,
                     "a message of an earlier run was ignored; are there two of that NODE_ID?");
    else if (result == ROSTER_FULL)
        note_ignored(counting, METRIC_FULL, message->node, "too many gateways; one is ignored");
    else if (result == ROSTER_RANGE)
        note_ignored(counting, METRIC_JUNK_RANGE, message->node,
                     "an event with too many viewers was ignored");
}

static void
start_counting(struct counting *counting)
{
    counting->started = true;
    window_start(counting->window, counting->now);
    count_publish_start(counting->to.publish);
    log_info("sampler.ready", "warmed up",
             LOG_INT("gateways", (int64_t)roster_nodes(counting->roster)),
             LOG_INT("auctions", (int64_t)tally_auctions(roster_tally(counting->roster))),
             LOG_INT("viewers", (int64_t)tally_total(roster_tally(counting->roster))));
    if (roster_troubled(counting->roster))
        log_warn("sampler.not_whole", "a gateway has not told all its auctions; going on",
                 LOG_NONE);
}

static void
show_metrics(struct counting *counting)
{
    struct metrics *metrics = counting->metrics;
    metrics_set(metrics, METRIC_GAPS, (int64_t)roster_gaps(counting->roster));
    metrics_set(metrics, METRIC_GATEWAYS, (int64_t)roster_nodes(counting->roster));
    metrics_set(metrics, METRIC_AUCTIONS,
                (int64_t)tally_auctions(roster_tally(counting->roster)));
    metrics_set(metrics, METRIC_VIEWERS, (int64_t)tally_total(roster_tally(counting->roster)));
    metrics_set(metrics, METRIC_READY, counting->started);
    metrics_set(metrics, METRIC_SAMPLES, (int64_t)window_samples(counting->window));
    metrics_set(metrics, METRIC_UNOBSERVED, (int64_t)window_unobserved(counting->window));
}

/* Hands the closed window's snapshots on, a part at a time. True when there are more. */
static bool
drain_window(struct counting *counting)
{
    if (window_drain(counting->window, DRAIN))
        return true;
    if (window_closed(counting->window) == counting->closed)
        return false;
    counting->closed = window_closed(counting->window);
    if (counting->to.send)
        snapshot_send_close(counting->to.send);
    return false;
}

int64_t
counting_tick(struct counting *counting)
{
    look_at_clock(counting);
    roster_tick(counting->roster, counting->now.mono_ms);
    int shard;
    while ((shard = roster_renewal(counting->roster, counting->now.mono_ms)) >= 0)
        event_intake_renew(counting->to.intake, (unsigned)shard);
    if (!counting->started && roster_ready(counting->roster))
        start_counting(counting);
    window_trouble(counting->window, roster_troubled(counting->roster));
    window_advance(counting->window, counting->now);
    show_metrics(counting);
    if (drain_window(counting))
        return 0;
    int64_t wait_ms = window_wait_ms(counting->window, counting->now.wall_ms);
    return wait_ms < counting->tick_ms ? wait_ms : counting->tick_ms;
}

void
counting_finish(struct counting *counting)
{
    while (drain_window(counting))
        ;
}
