/* Figures → text. */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "snapshot_json.h"

#define EXACT_MAX 1e15 /* whole numbers below it are printed digit by digit */

void
number_text(double number, char text[NUMBER_TEXT_BYTES])
{
    if (!isfinite(number))
        number = 0;
    if (trunc(number) == number && fabs(number) < EXACT_MAX) {
        snprintf(text, NUMBER_TEXT_BYTES, "%" PRId64, (int64_t)number);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, NUMBER_TEXT_BYTES, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            return;
    }
}

size_t
snapshot_json(const struct snapshot *s, char text[SNAPSHOT_JSON_BYTES])
{
    char time[CLOCK_TEXT_BYTES], average[NUMBER_TEXT_BYTES];
    clock_text(s->timestamp_ms, time);
    number_text(s->avg_viewers, average);
    int length = snprintf(text, SNAPSHOT_JSON_BYTES,
                          "{\"timestamp\":\"%s\",\"viewerCount\":%" PRId64
                          ",\"avgViewers\":%s,\"peakViewers\":%" PRId64
                          ",\"minViewers\":%" PRId64 ",\"sampleCount\":%" PRId64,
                          time, s->viewer_count, average, s->peak_viewers, s->min_viewers,
                          s->sample_count);
    if (!s->exact)
        return (size_t)(length +
                        snprintf(text + length, SNAPSHOT_JSON_BYTES - (size_t)length, "}"));
    number_text(s->exact_avg, average);
    length += snprintf(text + length, SNAPSHOT_JSON_BYTES - (size_t)length,
                       ",\"exactPeak\":%" PRId64 ",\"exactMin\":%" PRId64
                       ",\"exactAvg\":%s,\"joins\":%" PRId64 ",\"leaves\":%" PRId64
                       ",\"coverageMs\":%" PRId64 ",\"complete\":%s}",
                       s->exact_peak, s->exact_min, average, s->joins, s->leaves,
                       s->coverage_ms, s->complete ? "true" : "false");
    return (size_t)length;
}
