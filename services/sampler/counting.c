/* In: decoded messages and ticks; out: changes to count_publish, snapshots to snapshot_send and
 * taps, renewals to event_intake, lines in the log. Loop thread. The census decides; here it is
 * given the time and its answers are carried on. */
#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "mem.h"

#include "census.h"
#include "counting.h"
#include "sampler_metrics.h"

#define IGNORED_LOG_MS 10000
#define NEWS_LOG_MS 10000

struct counting {
    struct counting_neighbours to;
    struct metrics *metrics;
    struct census *census;
    bool started; /* warmed up */
    struct log_limit ignored_limit;
    struct log_limit news_limits[READER_LEFT + 1];
};

static struct moment
look_at_clock(void)
{
    return (struct moment){clock_wall_ms(), clock_mono_ms()};
}

static void
on_change(void *arg, const char *auction, uint64_t count)
{
    struct counting *counting = arg;
    count_publish_change(counting->to.publish, auction, count);
}

/* Gateways come and go rarely: one line each, unless hundreds do. */
static void
on_news(void *arg, const char *node, enum reader_news news)
{
    static const struct {
        enum log_level level;
        const char *id, *text;
    } lines[] = {
        [READER_FOUND] = {LOG_LEVEL_INFO, "sampler.found", "a gateway is heard"},
        [READER_RESTARTED] = {LOG_LEVEL_INFO, "sampler.restarted", "a gateway has restarted"},
        [READER_LOST] = {LOG_LEVEL_WARN, "sampler.lost",
                         "a gateway is silent; its viewers count no more"},
        [READER_LEFT] = {LOG_LEVEL_INFO, "sampler.left", "a gateway has left"},
    };
    struct counting *counting = arg;
    int64_t suppressed;
    metrics_add(counting->metrics, METRIC_GATEWAYS_LOST, news == READER_LOST);
    if (!log_allowed_burst(&counting->news_limits[news], clock_mono_ms(), NEWS_LOG_MS,
                           &suppressed))
        return;
    LOG_AT(lines[news].level, lines[news].id, lines[news].text, LOG_STR("gateway", node),
           {.key = suppressed ? "suppressed" : NULL, .number = suppressed});
}

static void
on_snapshot(void *arg, const struct snapshot *snapshot)
{
    struct counting *counting = arg;
    if (counting->to.send)
        snapshot_send_add(counting->to.send, snapshot);
    count_publish_snapshot(counting->to.publish, snapshot);
}

static void
on_closed(void *arg)
{
    struct counting *counting = arg;
    if (counting->to.send)
        snapshot_send_close(counting->to.send);
}

static void
on_renew(void *arg, const struct reader_renewal *renewal)
{
    struct counting *counting = arg;
    event_intake_renew(counting->to.intake, renewal);
}

struct counting *
counting_new(const struct counting_options *options)
{
    struct counting *counting = mem_alloc(sizeof *counting);
    struct census_options census = {.sample_interval_ms = options->sample_interval_ms,
                                    .snapshot_interval_ms = options->snapshot_interval_ms,
                                    .heartbeat_interval_ms = options->heartbeat_interval_ms,
                                    .node_timeout_ms = options->node_timeout_ms,
                                    .unserved = options->unserved,
                                    .change = on_change,
                                    .snapshot = on_snapshot,
                                    .closed = on_closed,
                                    .renew = on_renew,
                                    .news = on_news,
                                    .arg = counting};
    counting->metrics = options->metrics;
    counting->census = census_new(&census, clock_mono_ms());
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
    return roster_tally(census_roster(counting->census));
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
    census_destroy(&(*counting)->census);
    free(*counting);
    *counting = NULL;
}

static void
note_ignored(struct counting *counting, enum sampler_metric metric, const char *node,
             const char *why)
{
    int64_t suppressed;
    metrics_add(counting->metrics, metric, 1);
    if (log_allowed(&counting->ignored_limit, clock_mono_ms(), IGNORED_LOG_MS, &suppressed))
        log_warn("sampler.ignored", why, LOG_STR("gateway", node),
                 LOG_INT("suppressed", suppressed));
}

void
counting_take(struct counting *counting, const struct message *message)
{
    enum roster_result result = census_take(counting->census, message, look_at_clock());
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
    const struct roster *roster = census_roster(counting->census);
    counting->started = true;
    count_publish_start(counting->to.publish);
    log_info("sampler.ready", "warmed up", LOG_INT("gateways", (int64_t)roster_nodes(roster)),
             LOG_INT("auctions", (int64_t)tally_auctions(roster_tally(roster))),
             LOG_INT("viewers", (int64_t)tally_total(roster_tally(roster))));
    if (roster_troubled(roster))
        log_warn("sampler.not_whole", "a gateway has not told all its auctions; going on",
                 LOG_NONE);
}

static void
show_metrics(struct counting *counting)
{
    struct metrics *metrics = counting->metrics;
    const struct roster *roster = census_roster(counting->census);
    const struct window *window = census_window(counting->census);
    metrics_set(metrics, METRIC_GAPS, (int64_t)roster_gaps(roster));
    metrics_set(metrics, METRIC_GATEWAYS, (int64_t)roster_nodes(roster));
    metrics_set(metrics, METRIC_AUCTIONS, (int64_t)tally_auctions(roster_tally(roster)));
    metrics_set(metrics, METRIC_VIEWERS, (int64_t)tally_total(roster_tally(roster)));
    metrics_set(metrics, METRIC_READY, counting->started);
    metrics_set(metrics, METRIC_SAMPLES, (int64_t)window_samples(window));
    metrics_set(metrics, METRIC_UNOBSERVED, (int64_t)window_unobserved(window));
}

int64_t
counting_tick(struct counting *counting)
{
    int64_t wait_ms = census_tick(counting->census, look_at_clock());
    if (!counting->started && census_ready(counting->census))
        start_counting(counting);
    show_metrics(counting);
    return wait_ms;
}

void
counting_finish(struct counting *counting)
{
    census_finish(counting->census, look_at_clock());
}
