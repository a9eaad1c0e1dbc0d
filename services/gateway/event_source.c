/* In: changes, subscriptions, times. Out: events, states, heartbeats, bye. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "event_source.h"
#include "state_answer.h"

#define HEARTBEAT_GAP_MS 100 /* at least, between heartbeats that subscribers asked for */

struct event_source {
    const struct audience *audience;
    struct state_answer *answer;
    event_source_emit_f *emit;
    void *arg;
    int64_t heartbeat_ms;   /* the interval */
    int64_t beaten_ms;      /* when the last heartbeat was said, monotonic */
    int64_t begin_ms;       /* the time that the newest answer began with */
    bool heartbeat_wanted;  /* by a subscriber */
    struct message message; /* role, node, epoch, state and sequences are kept; the rest is
                             * filled in anew for each use */
};

struct event_source *
event_source_new(const struct event_source_options *options)
{
    struct event_source *source = mem_alloc(sizeof *source);
    source->audience = options->audience;
    source->answer = state_answer_new(options->audience);
    source->emit = options->emit;
    source->arg = options->arg;
    source->heartbeat_ms = options->heartbeat_ms;
    source->beaten_ms = INT64_MIN / 2;
    source->message.role = NODE_GATEWAY;
    source->message.state = NODE_WARMING;
    source->message.epoch_ms = options->epoch_ms;
    snprintf(source->message.node, NODE_BYTES, "%s", options->node);
    return source;
}

void
event_source_destroy(struct event_source **source)
{
    if (!*source)
        return;
    state_answer_destroy(&(*source)->answer);
    free(*source);
    *source = NULL;
}

static void
emit(struct event_source *source, enum message_kind kind, int64_t time_ms)
{
    source->message.kind = kind;
    source->message.time_ms = time_ms;
    source->emit(source->arg, &source->message);
}

static void
emit_event(struct event_source *source, int64_t time_ms)
{
    source->message.sequence = source->message.sequences[source->message.shard];
    emit(source, MESSAGE_EVENT, time_ms);
}

static void
emit_heartbeat(struct event_source *source, struct event_time now)
{
    source->message.total = audience_viewers(source->audience);
    source->beaten_ms = now.mono_ms;
    source->heartbeat_wanted = false;
    emit(source, MESSAGE_HEARTBEAT, now.wall_ms);
}

void
event_source_change(struct event_source *source, const struct auction *auction,
                    enum change_kind change, struct event_time now)
{
    struct message *message = &source->message;
    strcpy(message->auction, auction->id);
    message->shard = auction->shard;
    message->sequences[auction->shard]++;
    message->change = change;
    message->joins = auction->joins;
    message->leaves = auction->leaves;
    emit_event(source, now.wall_ms);
}

void
event_source_subscribe(struct event_source *source, const struct subscription *subscription)
{
    if (!*subscription->node || !strcmp(subscription->node, source->message.node))
        state_answer_want(source->answer, subscription);
    source->heartbeat_wanted |= subscription->heartbeat;
}

/* An end carries the time of its begin, and by it the reader knows whose end it is: so no two
 * begin with the same time, whatever the clock does. */
static int64_t
choose_time(struct event_source *source, int64_t wall_ms)
{
    if (source->message.change == CHANGE_BEGIN)
        source->begin_ms = wall_ms > source->begin_ms ? wall_ms : source->begin_ms + 1;
    else if (source->message.change != CHANGE_END)
        return wall_ms;
    return source->begin_ms;
}

static int64_t
heartbeat_wait_ms(const struct event_source *source, int64_t mono_ms)
{
    int64_t gap_ms = source->heartbeat_ms;
    if (source->heartbeat_wanted && gap_ms > HEARTBEAT_GAP_MS)
        gap_ms = HEARTBEAT_GAP_MS;
    return source->beaten_ms + gap_ms - mono_ms;
}

int64_t
event_source_tick(struct event_source *source, unsigned steps, struct event_time now)
{
    if (heartbeat_wait_ms(source, now.mono_ms) <= 0)
        emit_heartbeat(source, now);
    while (steps-- && state_answer_step(source->answer, now.mono_ms, &source->message))
        emit_event(source, choose_time(source, now.wall_ms));
    int64_t wait_ms = heartbeat_wait_ms(source, now.mono_ms);
    if (wait_ms > EVENT_SOURCE_TURN_MS && state_answer_pending(source->answer))
        wait_ms = EVENT_SOURCE_TURN_MS;
    return wait_ms > 1 ? wait_ms : 1;
}

void
event_source_set_state(struct event_source *source, enum node_state state,
                       struct event_time now)
{
    source->message.state = state;
    emit_heartbeat(source, now);
}

void
event_source_forget(struct event_source *source, const struct auction *auction)
{
    state_answer_forget(source->answer, auction);
}

void
event_source_bye(struct event_source *source, struct event_time now)
{
    emit(source, MESSAGE_BYE, now.wall_ms);
}
