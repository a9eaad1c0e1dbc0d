/* In: a snapshot. Out: whether it may be stored, and if not, why in words for people. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "snapshot.h"

#define OLDEST_MS INT64_C(946684800000) /* 2000-01-01T00:00:00Z */
#define AHEAD_MS_MAX (5 * 60 * 1000)
#define VIEWERS_MAX 1000000000
#define SAMPLES_MAX 1000000
#define COVERAGE_MS_MAX (24 * 60 * 60 * 1000)

/* The first thing wrong is written to reason; later ones are not. */
struct verdict {
    char *reason; /* SNAPSHOT_REASON_BYTES */
    int result;   /* 0 until something is wrong */
};

__attribute__((format(printf, 3, 4))) static void
require(struct verdict *verdict, bool ok, const char *format, ...)
{
    if (ok || verdict->result)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(verdict->reason, SNAPSHOT_REASON_BYTES, format, args);
    va_end(args);
    verdict->result = -1;
}

static void
require_integer(struct verdict *verdict, const char *name, int64_t value, int64_t min,
                int64_t max)
{
    require(verdict, value >= min && value <= max,
            "%s: %" PRId64 " is out of range; allowed: %" PRId64 " to %" PRId64, name, value,
            min, max);
}

static void
require_float(struct verdict *verdict, const char *name, double value)
{
    require(verdict, isfinite(value), "%s: not a finite number; allowed: 0 to %d", name,
            VIEWERS_MAX);
    require(verdict, value >= 0 && value <= VIEWERS_MAX,
            "%s: %g is out of range; allowed: 0 to %d", name, value, VIEWERS_MAX);
}

/* Two figures of which the first may not be above the second. */
static void
require_order(struct verdict *verdict, const char *low_name, double low, const char *high_name,
              double high)
{
    require(verdict, low <= high, "%s: %.10g is above %s %.10g; allowed: 0 to %s", low_name,
            low, high_name, high, high_name);
}

static void
check_timestamp(struct verdict *verdict, int64_t timestamp_ms, int64_t now_ms)
{
    require(verdict, timestamp_ms >= OLDEST_MS,
            "timestamp: before 2000; allowed: 2000-01-01T00:00:00Z to 5 minutes ahead of now");
    require(verdict, timestamp_ms <= now_ms + AHEAD_MS_MAX,
            "timestamp: %" PRId64 " ms ahead of the store's clock; allowed: 5 minutes",
            timestamp_ms - now_ms);
}

static void
check_samples(struct verdict *verdict, const struct snapshot *s)
{
    require_integer(verdict, "viewerCount", s->viewer_count, 0, VIEWERS_MAX);
    require_float(verdict, "avgViewers", s->avg_viewers);
    require_integer(verdict, "peakViewers", s->peak_viewers, 0, VIEWERS_MAX);
    require_integer(verdict, "minViewers", s->min_viewers, 0, VIEWERS_MAX);
    require_integer(verdict, "sampleCount", s->sample_count, 1, SAMPLES_MAX);
    double peak = (double)s->peak_viewers, min = (double)s->min_viewers;
    require_order(verdict, "minViewers", min, "avgViewers", s->avg_viewers);
    require_order(verdict, "avgViewers", s->avg_viewers, "peakViewers", peak);
}

/* Of a sampler's snapshot alone: its viewerCount is one of the samples. Another socket server
 * may read the count once more after its last sample. */
static void
check_exact(struct verdict *verdict, const struct snapshot *s)
{
    double count = (double)s->viewer_count;
    require_order(verdict, "minViewers", (double)s->min_viewers, "viewerCount", count);
    require_order(verdict, "viewerCount", count, "peakViewers", (double)s->peak_viewers);
    require_integer(verdict, "exactPeak", s->exact_peak, 0, VIEWERS_MAX);
    require_integer(verdict, "exactMin", s->exact_min, 0, VIEWERS_MAX);
    require_float(verdict, "exactAvg", s->exact_avg);
    require_integer(verdict, "joins", s->joins, 0, VIEWERS_MAX);
    require_integer(verdict, "leaves", s->leaves, 0, VIEWERS_MAX);
    require_integer(verdict, "coverageMs", s->coverage_ms, 0, COVERAGE_MS_MAX);
    double peak = (double)s->exact_peak, min = (double)s->exact_min;
    require_order(verdict, "exactMin", min, "exactAvg", s->exact_avg);
    require_order(verdict, "exactAvg", s->exact_avg, "exactPeak", peak);
    require_order(verdict, "exactMin", min, "minViewers", (double)s->min_viewers);
    require_order(verdict, "peakViewers", (double)s->peak_viewers, "exactPeak", peak);
}

int
snapshot_check(const struct snapshot *snapshot, int64_t now_ms,
               char reason[SNAPSHOT_REASON_BYTES])
{
    struct verdict verdict = {.reason = reason};
    check_timestamp(&verdict, snapshot->timestamp_ms, now_ms);
    check_samples(&verdict, snapshot);
    if (snapshot->exact)
        check_exact(&verdict, snapshot);
    return verdict.result;
}

bool
snapshot_fuller(const struct snapshot *a, const struct snapshot *b)
{
    bool a_complete = a->exact && a->complete, b_complete = b->exact && b->complete;
    if (a->sample_count != b->sample_count)
        return a->sample_count > b->sample_count;
    if (a_complete != b_complete)
        return a_complete;
    return (a->exact ? a->coverage_ms : -1) > (b->exact ? b->coverage_ms : -1);
}
