/* A posted snapshot. What is taken is valid and, written anew, is taken as the same; what is
 * refused says why. Input: the body. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"
#include "snapshot_body.h"

#include "fuzz.h"

#define NOW_MS 1761056100000
#define AUCTION "lot-12"

static void
check_again(const struct snapshot *snapshot)
{
    char time[CLOCK_TEXT_BYTES], checked[SNAPSHOT_REASON_BYTES], reason[BODY_REASON_BYTES];
    struct snapshot again;
    int invalid = snapshot_check(snapshot, NOW_MS, checked);
    assert(!invalid && !snapshot->exact && !strcmp(snapshot->auction, AUCTION));
    clock_text(snapshot->timestamp_ms, time);
    char *body = mem_format(
        "{\"timestamp\":\"%s\",\"viewerCount\":%lld,\"avgViewers\":%.17g,\"peakViewers\":%lld,"
        "\"minViewers\":%lld,\"sampleCount\":%lld}",
        time, (long long)snapshot->viewer_count, snapshot->avg_viewers,
        (long long)snapshot->peak_viewers, (long long)snapshot->min_viewers,
        (long long)snapshot->sample_count);
    enum api_error error =
        snapshot_body_decode(AUCTION, body, strlen(body), NOW_MS, &again, reason);
    assert(error == API_ERROR_COUNT && again.avg_viewers == snapshot->avg_viewers);
    again.avg_viewers = snapshot->avg_viewers; /* 0 for -0 */
    assert(!memcmp(&again, snapshot, sizeof again));
    free(body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    struct snapshot snapshot;
    size_t length;
    char *body = fuzz_rest(&fuzz, &length), *reason = mem_alloc(BODY_REASON_BYTES);
    enum api_error error =
        snapshot_body_decode(AUCTION, body, length, NOW_MS, &snapshot, reason);
    if (error == API_ERROR_COUNT)
        check_again(&snapshot);
    else
        assert(*reason && strlen(reason) < BODY_REASON_BYTES);
    free(reason);
    free(body);
    return 0;
}
