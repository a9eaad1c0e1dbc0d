/* In: messages. Out: lines. */
#include <inttypes.h>
#include <stdlib.h>

#include "clock.h"
#include "mem.h"

#include "message_json.h"

#include "tap_line.h"

static char *
dump(json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    char *line = mem_format("%s\n", text ? text : "{}");
    free(text);
    json_decref(object);
    return line;
}

static char *
describe_event(const struct message *m, const char *time)
{
    return mem_format("%s event %s %s viewers=%" PRIu64 " joins=%" PRIu64 " leaves=%" PRIu64
                      " node=%s sequence=%" PRIu64 "\n",
                      time, m->auction, change_text(m->kind, m->change), m->joins - m->leaves,
                      m->joins, m->leaves, m->node, m->sequence);
}

static char *
describe_count(const struct message *m, const char *time)
{
    return mem_format("%s count %s %s viewers=%" PRIu64 " node=%s sequence=%" PRIu64 "\n", time,
                      m->auction, change_text(m->kind, m->change), m->count, m->node,
                      m->sequence);
}

static char *
describe_snapshot(const struct message *m, const char *time)
{
    const struct snapshot *s = &m->snapshot;
    char *exact = !s->exact
                      ? mem_text("")
                      : mem_format(" exact_avg=%.2f exact_peak=%" PRId64 " exact_min=%" PRId64
                                   " joins=%" PRId64 " leaves=%" PRId64 " coverage_ms=%" PRId64
                                   " complete=%s",
                                   s->exact_avg, s->exact_peak, s->exact_min, s->joins,
                                   s->leaves, s->coverage_ms, s->complete ? "true" : "false");
    char *line = mem_format("%s snapshot %s viewers=%" PRId64 " avg=%.2f peak=%" PRId64
                            " min=%" PRId64 " samples=%" PRId64 "%s node=%s\n",
                            time, m->auction, s->viewer_count, s->avg_viewers, s->peak_viewers,
                            s->min_viewers, s->sample_count, exact, m->node);
    free(exact);
    return line;
}

static char *
describe_heartbeat(const struct message *m, const char *time)
{
    uint64_t messages = 0;
    for (int shard = 0; shard < SHARD_COUNT; shard++)
        messages += m->sequences[shard];
    return mem_format("%s heartbeat %s %s %s viewers=%" PRIu64 " messages=%" PRIu64 "\n", time,
                      node_role_text(m->role), m->node, node_state_text(m->state), m->total,
                      messages);
}

char *
tap_line(const struct message *message, bool json)
{
    char time[CLOCK_TEXT_BYTES];
    if (json)
        return dump(message_json(message));
    clock_text(message->kind == MESSAGE_SNAPSHOT ? message->snapshot.timestamp_ms
                                                 : message->time_ms,
               time);
    switch (message->kind) {
    case MESSAGE_EVENT:
        return *message->auction ? describe_event(message, time) : NULL;
    case MESSAGE_COUNT:
        return *message->auction ? describe_count(message, time) : NULL;
    case MESSAGE_SNAPSHOT:
        return describe_snapshot(message, time);
    case MESSAGE_HEARTBEAT:
        return describe_heartbeat(message, time);
    case MESSAGE_BYE:
        return mem_format("%s bye %s %s\n", time, node_role_text(message->role), message->node);
    }
    return NULL;
}

static char *
describe_missed(const struct tap_news *news, const char *time)
{
    return mem_format("%s missed %s %s shard=%02x messages=%" PRIu64 " (%" PRIu64 " to %" PRIu64
                      ")\n",
                      time, node_role_text(news->role), news->node, news->shard,
                      news->last - news->first + 1, news->first, news->last);
}

char *
tap_news_line(const struct tap_news *news, int64_t time_ms, bool json)
{
    static const char *const kinds[] = {"missed", "lost", "restarted"};
    const char *kind = kinds[news->kind], *role = node_role_text(news->role);
    char time[CLOCK_TEXT_BYTES];
    if (json && news->kind == TAP_MISSED)
        return dump(json_pack("{ss ss ss si sI sI}", "kind", kind, "role", role, "node",
                              news->node, "shard", (int)news->shard, "first",
                              (json_int_t)news->first, "last", (json_int_t)news->last));
    if (json)
        return dump(json_pack("{ss ss ss}", "kind", kind, "role", role, "node", news->node));
    clock_text(time_ms, time);
    if (news->kind == TAP_MISSED)
        return describe_missed(news, time);
    return mem_format("%s %s %s %s\n", time, kind, role, news->node);
}
