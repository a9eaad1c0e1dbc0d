/* In: a message. Out: a JSON object that says the same. */
#include "message_json.h"
#include "topic.h"

const char *
change_text(enum message_kind kind, enum change_kind change)
{
    static const char *const texts[] = {"state", "join", "leave", "begin", "end"};
    return kind == MESSAGE_COUNT && change == CHANGE_JOIN ? "change" : texts[change];
}

const char *
node_state_text(enum node_state state)
{
    static const char *const texts[] = {"warming", "ready", "leaving"};
    return texts[state];
}

const char *
node_role_text(enum node_role role)
{
    static const char *const texts[] = {"gateway", "sampler"};
    return texts[role];
}

static void
set_text(json_t *object, const char *name, const char *text)
{
    json_object_set_new(object, name, json_string(text));
}

static void
set_integer(json_t *object, const char *name, int64_t number)
{
    json_object_set_new(object, name, json_integer(number));
}

static void
set_float(json_t *object, const char *name, double number)
{
    json_t *value = json_real(number);
    json_object_set_new(object, name, value ? value : json_null());
}

static void
add_exact(const struct snapshot *snapshot, json_t *object)
{
    set_integer(object, "exactPeak", snapshot->exact_peak);
    set_integer(object, "exactMin", snapshot->exact_min);
    set_float(object, "exactAvg", snapshot->exact_avg);
    set_integer(object, "joins", snapshot->joins);
    set_integer(object, "leaves", snapshot->leaves);
    set_integer(object, "coverageMs", snapshot->coverage_ms);
    json_object_set_new(object, "complete", json_boolean(snapshot->complete));
}

void
snapshot_json(const struct snapshot *snapshot, json_t *object)
{
    set_integer(object, "timestamp", snapshot->timestamp_ms);
    set_integer(object, "viewerCount", snapshot->viewer_count);
    set_float(object, "avgViewers", snapshot->avg_viewers);
    set_integer(object, "peakViewers", snapshot->peak_viewers);
    set_integer(object, "minViewers", snapshot->min_viewers);
    set_integer(object, "sampleCount", snapshot->sample_count);
    if (snapshot->exact)
        add_exact(snapshot, object);
}

static void
add_change(const struct message *message, json_t *object)
{
    set_integer(object, "sequence", (int64_t)message->sequence);
    set_integer(object, "time", message->time_ms);
    set_text(object, "change", change_text(message->kind, message->change));
    if (message->kind == MESSAGE_COUNT) {
        set_integer(object, "count", (int64_t)message->count);
        return;
    }
    set_integer(object, "joins", (int64_t)message->joins);
    set_integer(object, "leaves", (int64_t)message->leaves);
}

/* Only where it does not serve all. */
static void
add_shards(const struct message *message, json_t *object)
{
    json_t *shards = json_array();
    for (int shard = 0; shard < SHARD_COUNT; shard++)
        if (!message->unserved[shard])
            json_array_append_new(shards, json_integer(shard));
    if (json_array_size(shards) < SHARD_COUNT)
        json_object_set(object, "shards", shards);
    json_decref(shards);
}

static void
add_heartbeat(const struct message *message, json_t *object)
{
    set_text(object, "state", node_state_text(message->state));
    set_integer(object, "total", (int64_t)message->total);
    json_t *sequences = json_object();
    for (int shard = 0; shard < SHARD_COUNT; shard++) {
        char name[8];
        snprintf(name, sizeof name, "%d", shard);
        if (message->sequences[shard])
            set_integer(sequences, name, (int64_t)message->sequences[shard]);
    }
    json_object_set_new(object, "sequences", sequences);
    add_shards(message, object);
}

json_t *
message_json(const struct message *message)
{
    bool of_node = message->kind == MESSAGE_HEARTBEAT || message->kind == MESSAGE_BYE;
    json_t *object = json_object();
    set_text(object, "kind", topic_kind_names[message->kind]);
    if (of_node)
        set_text(object, "role", node_role_text(message->role));
    else
        set_integer(object, "shard", message->shard);
    if (!of_node && *message->auction)
        set_text(object, "auction", message->auction);
    set_text(object, "node", message->node);
    set_integer(object, "epoch", message->epoch_ms);
    if (of_node)
        set_integer(object, "time", message->time_ms);
    if (message->kind == MESSAGE_EVENT || message->kind == MESSAGE_COUNT)
        add_change(message, object);
    else if (message->kind == MESSAGE_SNAPSHOT)
        snapshot_json(&message->snapshot, object);
    else if (message->kind == MESSAGE_HEARTBEAT)
        add_heartbeat(message, object);
    return object;
}
