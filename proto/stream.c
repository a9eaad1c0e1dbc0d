/* In: one node's messages, in the order they came. Out: what to do with their figures, and what
 * was missed. */
#include <string.h>

#include "stream.h"

#define RENEW_INTERVAL_MS 1000

/* Forgets what was heard in an older epoch; keeps what is the reader's own. */
static void
restart(struct stream *stream, int64_t epoch_ms)
{
    stream->epoch_ms = epoch_ms;
    for (int i = 0; i < SHARD_COUNT; i++) {
        const struct stream_shard *old = &stream->shards[i];
        stream->shards[i] = (struct stream_shard){
            .mark = old->mark, .unread = old->unread, .renew_ms = old->renew_ms};
    }
}

/* Nothing was ever missed of a shard in which nothing was ever said. */
static bool
is_whole(const struct stream_shard *shard)
{
    return shard->synced || (!shard->sequence && !shard->announced);
}

static void
lose(struct stream_shard *shard)
{
    shard->synced = false;
    shard->answering = false;
}

/* A join, a leave, a changed count. */
static enum stream_verdict
take_change(struct stream_shard *shard, uint64_t sequence, bool *gap)
{
    if (sequence <= shard->sequence)
        return shard->synced ? STREAM_IGNORE : STREAM_APPLY;
    *gap = sequence != shard->sequence + 1;
    if (*gap)
        lose(shard);
    else
        shard->synced = is_whole(shard);
    shard->sequence = sequence;
    return STREAM_APPLY;
}

static enum stream_verdict
take_state(struct stream_shard *shard, const struct message *message, bool *gap)
{
    uint64_t sequence = message->sequence;
    *gap = sequence > shard->sequence;
    if (*gap) {
        lose(shard);
        shard->sequence = sequence;
    }
    shard->check += auction_check(message->auction);
    return STREAM_APPLY;
}

/* What was missed up to here, the answer that begins will bring. */
static enum stream_verdict
take_begin(struct stream_shard *shard, uint64_t sequence, int64_t begin_ms)
{
    shard->begin_ms = begin_ms;
    if (sequence > shard->sequence) {
        shard->synced = false;
        shard->sequence = sequence;
    }
    shard->answering = true;
    shard->fresh = true;
    shard->check = 0;
    shard->mark++;
    return STREAM_IGNORE;
}

static enum stream_verdict
take_end(struct stream_shard *shard, const struct message *message, bool *gap)
{
    uint64_t sequence = message->sequence;
    uint64_t check = message->kind == MESSAGE_EVENT ? message->joins : message->count;
    bool whole = shard->answering && shard->begin_ms == message->time_ms &&
                 shard->check == check && sequence <= shard->sequence;
    shard->answering = false;
    if (sequence > shard->sequence) {
        shard->synced = false;
        shard->sequence = sequence;
    }
    *gap = !whole && !shard->synced;
    if (!whole)
        return STREAM_IGNORE;
    shard->synced = true;
    return STREAM_SWEEP;
}

static enum stream_verdict
take_kind(struct stream_shard *shard, const struct message *message, bool *gap)
{
    switch (message->change) {
    case CHANGE_STATE:
        return take_state(shard, message, gap);
    case CHANGE_JOIN:
    case CHANGE_LEAVE:
        return take_change(shard, message->sequence, gap);
    case CHANGE_BEGIN:
        return take_begin(shard, message->sequence, message->time_ms);
    case CHANGE_END:
        return take_end(shard, message, gap);
    }
    return STREAM_IGNORE;
}

enum stream_verdict
stream_take(struct stream *stream, const struct message *message, uint32_t *mark, bool *gap)
{
    struct stream_shard *shard = &stream->shards[message->shard];
    *gap = false;
    *mark = shard->mark;
    if (message->epoch_ms < stream->epoch_ms)
        return STREAM_IGNORE;
    bool restarted = message->epoch_ms > stream->epoch_ms;
    if (restarted)
        restart(stream, message->epoch_ms);
    enum stream_verdict verdict = take_kind(shard, message, gap);
    *mark = shard->mark;
    return restarted ? STREAM_RESTART : verdict;
}

/* Whether a shard must be renewed at a heartbeat that names `announced`. An answer that is
 * under way is given until the heartbeat after the next: its end may be lost. */
static bool
is_behind(struct stream_shard *shard, uint64_t announced)
{
    if (announced > shard->announced)
        shard->announced = announced;
    if (shard->announced > shard->sequence)
        lose(shard);
    if (shard->unread || is_whole(shard))
        return false;
    bool waiting = shard->answering && shard->fresh;
    shard->fresh = false;
    return !waiting;
}

unsigned
stream_heartbeat(struct stream *stream, const struct message *message, bool behind[SHARD_COUNT],
                 bool *restarted)
{
    memset(behind, 0, SHARD_COUNT * sizeof *behind);
    *restarted = message->epoch_ms > stream->epoch_ms;
    if (message->epoch_ms < stream->epoch_ms)
        return 0;
    if (*restarted)
        restart(stream, message->epoch_ms);
    unsigned count = 0;
    for (int shard = 0; shard < SHARD_COUNT; shard++) {
        behind[shard] = is_behind(&stream->shards[shard], message->sequences[shard]);
        count += behind[shard];
    }
    return count;
}

bool
stream_renew(struct stream *stream, unsigned shard, int64_t mono_ms)
{
    if (mono_ms < stream->shards[shard].renew_ms)
        return false;
    stream->shards[shard].renew_ms = mono_ms + RENEW_INTERVAL_MS;
    return true;
}

bool
stream_shard_whole(const struct stream *stream, unsigned shard)
{
    return is_whole(&stream->shards[shard]);
}

bool
stream_whole(const struct stream *stream)
{
    for (int shard = 0; shard < SHARD_COUNT; shard++)
        if (!stream->shards[shard].unread && !is_whole(&stream->shards[shard]))
            return false;
    return true;
}
