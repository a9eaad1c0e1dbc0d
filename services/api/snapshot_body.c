/* JSON → snapshot. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "json_body.h"
#include "snapshot_body.h"

#define WHOLE_MAX 9007199254740991.0 /* 2^53 - 1: beyond it a double is no exact count */

static int
take_number(const json_t *body, const char *name, double *number,
            char reason[BODY_REASON_BYTES])
{
    const json_t *value = json_object_get(body, name);
    if (json_is_number(value)) {
        *number = json_number_value(value);
        return 0;
    }
    snprintf(reason, BODY_REASON_BYTES, "%s: is %s; allowed: a number", name,
             json_type_text(value));
    return -1;
}

static int
take_whole(const json_t *body, const char *name, int64_t *whole, char reason[BODY_REASON_BYTES])
{
    double number;
    if (take_number(body, name, &number, reason))
        return -1;
    if (trunc(number) == number && fabs(number) <= WHOLE_MAX) {
        *whole = (int64_t)number;
        return 0;
    }
    snprintf(reason, BODY_REASON_BYTES,
             "%s: %.17g is no whole number of viewers or samples; "
             "allowed: a whole number",
             name, number);
    return -1;
}

static int
take_timestamp(const json_t *body, int64_t *timestamp_ms, char reason[BODY_REASON_BYTES])
{
    const json_t *value = json_object_get(body, "timestamp");
    const char *text = json_string_value(value);
    if (text && !clock_parse(text, timestamp_ms))
        return 0;
    if (text)
        snprintf(reason, BODY_REASON_BYTES, "timestamp: is no date");
    else
        snprintf(reason, BODY_REASON_BYTES, "timestamp: is %s", json_type_text(value));
    size_t length = strlen(reason);
    snprintf(reason + length, BODY_REASON_BYTES - length,
             "; allowed: an ISO 8601 date and time with a zone, such as 2025-10-21T14:15:00Z");
    return -1;
}

static int
take_fields(const json_t *body, struct snapshot *snapshot, char reason[BODY_REASON_BYTES])
{
    if (take_timestamp(body, &snapshot->timestamp_ms, reason) ||
        take_whole(body, "viewerCount", &snapshot->viewer_count, reason) ||
        take_number(body, "avgViewers", &snapshot->avg_viewers, reason) ||
        take_whole(body, "peakViewers", &snapshot->peak_viewers, reason) ||
        take_whole(body, "minViewers", &snapshot->min_viewers, reason) ||
        take_whole(body, "sampleCount", &snapshot->sample_count, reason))
        return -1;
    return 0;
}

enum api_error
snapshot_body_decode(const char *auction, const char *body, size_t bytes, int64_t now_ms,
                     struct snapshot *snapshot, char reason[BODY_REASON_BYTES])
{
    json_t *object;
    enum api_error error = json_body_read(body, bytes, API_INVALID_SNAPSHOT, &object, reason);
    if (error != API_ERROR_COUNT)
        return error;
    *snapshot = (struct snapshot){0};
    snprintf(snapshot->auction, sizeof snapshot->auction, "%s", auction);
    int refused = take_fields(object, snapshot, reason);
    json_decref(object);
    char checked[SNAPSHOT_REASON_BYTES];
    if (!refused && snapshot_check(snapshot, now_ms, checked)) {
        snprintf(reason, BODY_REASON_BYTES, "%s", checked);
        refused = -1;
    }
    return refused ? API_INVALID_SNAPSHOT : API_ERROR_COUNT;
}
