/* One auction's closed minute, and what makes one valid. Pure; any thread. */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "auction.h"

#define SNAPSHOT_REASON_BYTES 128

struct snapshot {
    char auction[AUCTION_BYTES];
    int64_t timestamp_ms; /* the end of the minute */
    int64_t viewer_count; /* at the last sample */
    double avg_viewers;   /* over the samples */
    int64_t peak_viewers;
    int64_t min_viewers;
    int64_t sample_count;
    bool exact; /* whether the figures below are known */
    int64_t exact_peak;
    int64_t exact_min;
    double exact_avg; /* time-weighted */
    int64_t joins;
    int64_t leaves;
    int64_t coverage_ms; /* how much of the minute was observed */
    bool complete;       /* every live gateway heard throughout, no gap unhealed */
};

/* Whether a tells more of its minute than b of the same: more samples; of as many, a complete
 * one; of such, a longer time observed. Figures that are not known are less than any. */
bool snapshot_fuller(const struct snapshot *a, const struct snapshot *b);

/* 0 when valid at wall time now_ms; else -1 with, in reason, the field, what is wrong and what
 * is allowed ("minViewers: 500 is above avgViewers 445; allowed: 0 to avgViewers"). */
int snapshot_check(const struct snapshot *snapshot, int64_t now_ms,
                   char reason[SNAPSHOT_REASON_BYTES]);

#endif
