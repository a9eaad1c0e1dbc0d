/* In: changes, subscriptions, snapshots, moments. Out: messages. Pure; the sampler's one
 * thread. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "count_answers.h"
#include "count_pacing.h"
#include "count_source.h"
#include "count_states.h"

#define HEARTBEAT_GAP_MS 100 /* at least, between heartbeats asked for by subscribing */

struct count_source {
    struct count_source_options options;
    struct count_pacing *pacing;
    struct count_answers *answers;
    struct count_states *states;
    struct message message; /* node, role and epoch set; the rest anew for each use */
    uint64_t sequences[SHARD_COUNT];
    int64_t heartbeat_ms; /* when the last one was said, monotonic */
    bool heartbeat_said;
    bool heartbeat_asked;
    bool started;
    bool told;             /* every count that there was at the start */
    size_t untold;         /* of those, at most */
    unsigned answer_shard; /* of the answer being given */
    uint64_t answer_check; /* of its states since begin, whoever asked for them */
    int64_t begin_ms;      /* the time that the answer under way began with */
};

struct count_source *
count_source_new(const struct count_source_options *options)
{
    struct count_source *source = mem_alloc(sizeof *source);
    source->options = *options;
    source->pacing = count_pacing_new(options->count_interval_ms);
    source->answers = count_answers_new();
    source->states = count_states_new(options->count_interval_ms);
    source->message.role = NODE_SAMPLER;
    source->message.epoch_ms = options->epoch_ms;
    strcpy(source->message.node, options->node);
    if (options->unserved)
        memcpy(source->message.unserved, options->unserved, sizeof source->message.unserved);
    return source;
}

void
count_source_destroy(struct count_source **source)
{
    if (!*source)
        return;
    count_pacing_destroy(&(*source)->pacing);
    count_answers_destroy(&(*source)->answers);
    count_states_destroy(&(*source)->states);
    free(*source);
    *source = NULL;
}

static void
emit(struct count_source *source)
{
    source->options.emit(source->options.arg, &source->message);
}

/* A count, a state, or begin and end (auction NULL). */
static void
emit_count(struct count_source *source, enum change_kind change, unsigned shard,
           const char *auction, uint64_t count, int64_t wall_ms)
{
    struct message *message = &source->message;
    message->kind = MESSAGE_COUNT;
    message->change = change;
    message->shard = shard;
    strcpy(message->auction, auction ? auction : "");
    message->time_ms = wall_ms;
    if (change == CHANGE_BEGIN) /* no two begin with the same time, whatever the clock does */
        source->begin_ms = wall_ms > source->begin_ms ? wall_ms : source->begin_ms + 1;
    if (change == CHANGE_BEGIN || change == CHANGE_END) /* an end names its begin */
        message->time_ms = source->begin_ms;
    message->sequence = source->sequences[shard];
    message->count = count;
    emit(source);
}

static void
emit_heartbeat(struct count_source *source, enum node_state state, struct moment now)
{
    struct message *message = &source->message;
    source->heartbeat_ms = now.mono_ms;
    source->heartbeat_said = true;
    source->heartbeat_asked = false;
    message->kind = MESSAGE_HEARTBEAT;
    message->time_ms = now.wall_ms;
    message->state = state;
    message->total = tally_total(source->options.tally);
    memcpy(message->sequences, source->sequences, sizeof message->sequences);
    emit(source);
}

static int64_t
heartbeat_wait_ms(const struct count_source *source, int64_t mono_ms)
{
    int64_t gap_ms = source->options.heartbeat_interval_ms;
    if (!source->heartbeat_said)
        return 0;
    if (source->heartbeat_asked && gap_ms > HEARTBEAT_GAP_MS)
        gap_ms = HEARTBEAT_GAP_MS;
    int64_t wait_ms = source->heartbeat_ms + gap_ms - mono_ms;
    return wait_ms > 0 ? wait_ms : 0;
}

static void
emit_changes(struct count_source *source, int most, struct moment now)
{
    uint64_t count;
    const char *auction;
    while (most-- && (auction = count_pacing_next(source->pacing, now.mono_ms, &count))) {
        unsigned shard = auction_shard(auction);
        source->sequences[shard]++;
        emit_count(source, CHANGE_JOIN, shard, auction, count, now.wall_ms);
        source->untold -= source->untold > 0;
    }
}

static void
add_to_answer(void *arg, const char *auction, uint64_t count)
{
    (void)count; /* what it is when its turn comes is told */
    count_answers_add(arg, auction);
}

static void
emit_state(struct count_source *source, unsigned shard, const char *auction, int64_t wall_ms)
{
    if (count_answers_giving(source->answers) && shard == source->answer_shard)
        source->answer_check += auction_check(auction);
    emit_count(source, CHANGE_STATE, shard, auction,
               tally_count(source->options.tally, auction), wall_ms);
}

static void
emit_states(struct count_source *source, int most, struct moment now)
{
    const char *auction;
    while (most-- && (auction = count_states_next(source->states, now.mono_ms)))
        emit_state(source, auction_shard(auction), auction, now.wall_ms);
}

/* Emits one message of an answer; false when there is nothing to answer now. */
static bool
emit_answer(struct count_source *source, struct moment now)
{
    struct count_answers *answers = source->answers;
    if (!count_answers_giving(answers)) {
        if (!count_answers_begin(answers, now.mono_ms, &source->answer_shard))
            return false;
        source->answer_check = 0;
        tally_each(source->options.tally, source->answer_shard, add_to_answer, answers);
        emit_count(source, CHANGE_BEGIN, source->answer_shard, NULL, 0, now.wall_ms);
        return true;
    }
    const char *auction = count_answers_next(answers);
    if (auction)
        emit_state(source, source->answer_shard, auction, now.wall_ms);
    else
        emit_count(source, CHANGE_END, source->answer_shard, NULL, source->answer_check,
                   now.wall_ms);
    return true;
}

static void
want_all(struct count_source *source)
{
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++)
        if (!source->message.unserved[shard])
            count_answers_want(source->answers, shard);
}

void
count_source_subscribe(struct count_source *source, const struct subscription *subscription)
{
    bool other = *subscription->node && strcmp(subscription->node, source->message.node);
    bool unserved = source->message.unserved[subscription->shard];
    source->heartbeat_asked |= subscription->heartbeat;
    if (subscription->scope == SCOPE_ALL)
        want_all(source);
    else if (unserved || other)
        return;
    if (subscription->scope == SCOPE_SHARD)
        count_answers_want(source->answers, subscription->shard);
    if (subscription->scope == SCOPE_AUCTION &&
        source->started) /* at the start all counts go */
        count_states_ask(source->states, subscription->auction);
}

static int64_t
sooner(int64_t a_ms, int64_t b_ms)
{
    if (a_ms < 0 || b_ms < 0)
        return a_ms < 0 ? b_ms : a_ms;
    return a_ms < b_ms ? a_ms : b_ms;
}

int64_t
count_source_run(struct count_source *source, int most, struct moment now)
{
    if (!heartbeat_wait_ms(source, now.mono_ms))
        emit_heartbeat(source, source->told ? NODE_READY : NODE_WARMING, now);
    int64_t wait_ms = heartbeat_wait_ms(source, now.mono_ms);
    if (!source->started)
        return wait_ms;
    emit_changes(source, most, now);
    if (!source->told &&
        (!source->untold || count_pacing_wait_ms(source->pacing, now.mono_ms))) {
        source->told = true;
        emit_heartbeat(source, NODE_READY, now);
    }
    emit_states(source, most, now);
    for (int i = 0; i < most && emit_answer(source, now); i++)
        ;
    wait_ms = sooner(wait_ms, count_states_wait_ms(source->states, now.mono_ms));
    wait_ms = sooner(wait_ms, count_pacing_wait_ms(source->pacing, now.mono_ms));
    return sooner(wait_ms, count_answers_wait_ms(source->answers, now.mono_ms));
}

void
count_source_start(struct count_source *source)
{
    source->started = true;
    source->untold = count_pacing_auctions(source->pacing);
}

void
count_source_change(struct count_source *source, const char *auction, uint64_t count)
{
    count_pacing_change(source->pacing, auction, count);
}

void
count_source_snapshot(struct count_source *source, const struct snapshot *snapshot)
{
    struct message *message = &source->message;
    message->kind = MESSAGE_SNAPSHOT;
    message->shard = auction_shard(snapshot->auction);
    strcpy(message->auction, snapshot->auction);
    message->snapshot = *snapshot;
    emit(source);
}

void
count_source_leave(struct count_source *source, struct moment now)
{
    emit_heartbeat(source, NODE_LEAVING, now);
    source->message.kind = MESSAGE_BYE;
    source->message.time_ms = now.wall_ms;
    emit(source);
}
