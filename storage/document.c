/* struct snapshot ↔ BSON. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "document.h"

enum field_type { FIELD_COUNT, FIELD_AVERAGE, FIELD_FLAG };

struct field {
    const char *name;
    enum field_type type;
    size_t offset;  /* in struct snapshot */
    bool exact;     /* absent in snapshots taken over HTTP */
    uint32_t known; /* its bit, for what every snapshot has */
};

#define MEMBER(member) offsetof(struct snapshot, member)

static const struct field fields[] = {
    {"viewerCount", FIELD_COUNT, MEMBER(viewer_count), false, 1},
    {"avgViewers", FIELD_AVERAGE, MEMBER(avg_viewers), false, 2},
    {"peakViewers", FIELD_COUNT, MEMBER(peak_viewers), false, 4},
    {"minViewers", FIELD_COUNT, MEMBER(min_viewers), false, 8},
    {"sampleCount", FIELD_COUNT, MEMBER(sample_count), false, 16},
    {"exactPeak", FIELD_COUNT, MEMBER(exact_peak), true, 0},
    {"exactMin", FIELD_COUNT, MEMBER(exact_min), true, 0},
    {"exactAvg", FIELD_AVERAGE, MEMBER(exact_avg), true, 0},
    {"joins", FIELD_COUNT, MEMBER(joins), true, 0},
    {"leaves", FIELD_COUNT, MEMBER(leaves), true, 0},
    {"coverageMs", FIELD_COUNT, MEMBER(coverage_ms), true, 0},
    {"complete", FIELD_FLAG, MEMBER(complete), true, 0},
};
#define FIELD_COUNT_ALL (sizeof fields / sizeof *fields)
#define KNOWN_REQUIRED 31u
#define KNOWN_AUCTION 32u
#define KNOWN_TIMESTAMP 64u

void
document_add_id(bson_t *document, const char *key, const char *auction)
{
    if (auction_is_object_id(auction)) {
        bson_oid_t oid;
        bson_oid_init_from_string(&oid, auction);
        bson_append_oid(document, key, -1, &oid);
    } else {
        bson_append_utf8(document, key, -1, auction, -1);
    }
}

static const char digits[] = "0123456789abcdef";

/* The first text of 24 digits that is greater than all that start with text's first `length`
 * characters, all of them digits. */
static bool
step_over(char text[OBJECT_ID_BYTES], size_t length)
{
    while (length--) {
        const char *digit = strchr(digits, text[length]);
        if (digit[1]) {
            text[length] = digit[1];
            memset(text + length + 1, '0', OBJECT_ID_BYTES - 2 - length);
            return true;
        }
    }
    return false;
}

bool
document_object_id_after(const char *after, char text[OBJECT_ID_BYTES])
{
    text[OBJECT_ID_BYTES - 1] = 0;
    for (size_t i = 0; i < OBJECT_ID_BYTES - 1; i++) {
        const char *digit = digits;
        while (*digit && *digit < after[i])
            digit++;
        if (!*digit)
            return step_over(text, i);
        text[i] = *digit;
        if (*digit == after[i])
            continue;
        memset(text + i + 1, '0', OBJECT_ID_BYTES - 2 - i);
        return true;
    }
    return step_over(text, OBJECT_ID_BYTES - 1);
}

bool
document_read_id(const bson_iter_t *value, char auction[AUCTION_BYTES])
{
    if (BSON_ITER_HOLDS_OID(value)) {
        bson_oid_to_string(bson_iter_oid(value), auction);
        return true;
    }
    uint32_t length = 0;
    const char *text = BSON_ITER_HOLDS_UTF8(value) ? bson_iter_utf8(value, &length) : NULL;
    if (!text || !auction_valid(text, length))
        return false;
    memcpy(auction, text, length + 1);
    return true;
}

void
document_add_key(bson_t *document, const struct snapshot *snapshot)
{
    document_add_id(document, "auction", snapshot->auction);
    BSON_APPEND_DATE_TIME(document, "timestamp", snapshot->timestamp_ms);
}

/* One of the ways to be less full: as many samples, complete or not. */
static void
begin_way(bson_t *ways, int index, bson_t *way, const struct snapshot *snapshot)
{
    char name[8];
    snprintf(name, sizeof name, "%d", index);
    bson_append_document_begin(ways, name, -1, way);
    BSON_APPEND_INT64(way, "sampleCount", snapshot->sample_count);
}

static void
add_complete(bson_t *way, bool complete)
{
    bson_t other;
    if (complete) {
        BSON_APPEND_BOOL(way, "complete", true);
        return;
    }
    BSON_APPEND_DOCUMENT_BEGIN(way, "complete", &other); /* false, or not known */
    BSON_APPEND_BOOL(&other, "$ne", true);
    bson_append_document_end(way, &other);
}

void
document_add_less_full(bson_t *filter, const struct snapshot *snapshot)
{
    bson_t ways, way, less;
    bool complete = snapshot->exact && snapshot->complete;
    int count = 0;
    BSON_APPEND_ARRAY_BEGIN(filter, "$or", &ways);
    bson_append_document_begin(&ways, "0", -1, &way);
    BSON_APPEND_DOCUMENT_BEGIN(&way, "sampleCount", &less);
    BSON_APPEND_INT64(&less, "$lt", snapshot->sample_count);
    bson_append_document_end(&way, &less);
    bson_append_document_end(&ways, &way);
    if (complete) {
        begin_way(&ways, ++count, &way, snapshot);
        add_complete(&way, false);
        bson_append_document_end(&ways, &way);
    }
    if (snapshot->exact) {
        begin_way(&ways, ++count, &way, snapshot);
        add_complete(&way, complete);
        BSON_APPEND_DOCUMENT_BEGIN(&way, "coverageMs", &less);
        BSON_APPEND_INT64(&less, "$lt", snapshot->coverage_ms);
        bson_append_document_end(&way, &less);
        bson_append_document_end(&ways, &way);
        begin_way(&ways, ++count, &way, snapshot);
        add_complete(&way, complete);
        BSON_APPEND_NULL(&way, "coverageMs"); /* also where there is none */
        bson_append_document_end(&ways, &way);
    }
    bson_append_array_end(filter, &ways);
}

size_t
document_add_unknown(bson_t *document, const struct snapshot *snapshot)
{
    size_t count = 0;
    for (size_t i = 0; i < FIELD_COUNT_ALL && !snapshot->exact; i++) {
        if (!fields[i].exact)
            continue;
        bson_append_utf8(document, fields[i].name, -1, "", 0);
        count++;
    }
    return count;
}

static void
add_whole(bson_t *document, const char *name, int64_t value)
{
    if (value >= INT32_MIN && value <= INT32_MAX)
        BSON_APPEND_INT32(document, name, (int32_t)value);
    else
        BSON_APPEND_INT64(document, name, value);
}

void
document_add_figures(bson_t *document, const struct snapshot *snapshot)
{
    for (size_t i = 0; i < FIELD_COUNT_ALL; i++) {
        const struct field *field = &fields[i];
        const char *member = (const char *)snapshot + field->offset;
        double average;
        if (field->exact && !snapshot->exact)
            continue;
        switch (field->type) {
        case FIELD_COUNT:
            add_whole(document, field->name, *(const int64_t *)member);
            break;
        case FIELD_AVERAGE:
            average = *(const double *)member;
            if (average == (double)(int64_t)average)
                add_whole(document, field->name, (int64_t)average);
            else
                BSON_APPEND_DOUBLE(document, field->name, average);
            break;
        case FIELD_FLAG:
            BSON_APPEND_BOOL(document, field->name, *(const bool *)member);
            break;
        }
    }
}

static const struct field *
find_field(const char *name)
{
    for (size_t i = 0; i < FIELD_COUNT_ALL; i++) {
        if (!strcmp(fields[i].name, name))
            return &fields[i];
    }
    return NULL;
}

/* Takes a known field's value; false when it is of another type. */
static bool
take_field(const struct field *field, const bson_iter_t *value, struct snapshot *snapshot)
{
    char *member = (char *)snapshot + field->offset;
    if (field->type == FIELD_FLAG) {
        *(bool *)member = bson_iter_as_bool(value);
        return true;
    }
    if (!BSON_ITER_HOLDS_NUMBER(value))
        return false;
    if (field->type == FIELD_COUNT)
        *(int64_t *)member = bson_iter_as_int64(value);
    else
        *(double *)member = bson_iter_as_double(value);
    if (field->exact)
        snapshot->exact = true;
    return true;
}

bool
document_read_snapshot(const bson_t *document, struct snapshot *snapshot)
{
    bson_iter_t at;
    uint32_t known = 0;
    *snapshot = (struct snapshot){0};
    if (!bson_iter_init(&at, document))
        return false;
    while (bson_iter_next(&at)) {
        const char *name = bson_iter_key(&at);
        const struct field *field = find_field(name);
        if (field && take_field(field, &at, snapshot))
            known |= field->known;
        else if (!strcmp(name, "auction") && document_read_id(&at, snapshot->auction))
            known |= KNOWN_AUCTION;
        else if (!strcmp(name, "timestamp") && BSON_ITER_HOLDS_DATE_TIME(&at)) {
            snapshot->timestamp_ms = bson_iter_date_time(&at);
            known |= KNOWN_TIMESTAMP;
        }
    }
    snapshot->complete &= snapshot->exact;
    return known == (KNOWN_REQUIRED | KNOWN_AUCTION | KNOWN_TIMESTAMP);
}
