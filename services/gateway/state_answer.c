/* In: subscriptions. Out: the messages that answer them, step by step. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "auction.h"

#include "state_answer.h"

#define QUEUE_MAX 1024     /* single auctions asked for and not yet answered */
#define SHARD_PAUSE_MS 100 /* between two answers of a shard */

struct state_answer {
    const struct audience *audience;
    char queue[QUEUE_MAX][AUCTION_BYTES]; /* a ring */
    unsigned queue_first;
    unsigned queue_count;
    bool shards_turn; /* queue and shards take turns */
    bool wanted[SHARD_COUNT];
    unsigned wanted_count;
    int64_t next_ms[SHARD_COUNT]; /* no answer of the shard begins before this */
    unsigned shard;               /* the one being answered, or the last one that was */
    bool answering;
    uint64_t check;               /* of the states said of it since begin */
    const struct auction *cursor; /* its next auction to name; NULL: end is next */
};

struct state_answer *
state_answer_new(const struct audience *audience)
{
    struct state_answer *answer = mem_alloc(sizeof *answer);
    answer->audience = audience;
    answer->shard = SHARD_COUNT - 1;
    return answer;
}

void
state_answer_destroy(struct state_answer **answer)
{
    free(*answer);
    *answer = NULL;
}

static void
want_shard(struct state_answer *answer, unsigned shard)
{
    answer->wanted_count += !answer->wanted[shard];
    answer->wanted[shard] = true;
}

static void
want_auction(struct state_answer *answer, const char *id)
{
    struct auction *auction = audience_find(answer->audience, id);
    if (auction && auction->state_wanted)
        return;
    if (answer->queue_count == QUEUE_MAX) {
        want_shard(answer, auction_shard(id));
        return;
    }
    unsigned place = (answer->queue_first + answer->queue_count++) % QUEUE_MAX;
    memcpy(answer->queue[place], id, strlen(id) + 1);
    if (auction)
        auction->state_wanted = true;
}

void
state_answer_want(struct state_answer *answer, const struct subscription *subscription)
{
    switch (subscription->scope) {
    case SCOPE_NOTHING:
        return;
    case SCOPE_AUCTION:
        want_auction(answer, subscription->auction);
        return;
    case SCOPE_SHARD:
        want_shard(answer, subscription->shard);
        return;
    case SCOPE_ALL:
        for (unsigned shard = 0; shard < SHARD_COUNT; shard++)
            want_shard(answer, shard);
        return;
    }
}

static void
fill(struct message *message, enum change_kind change, unsigned shard, uint64_t joins,
     uint64_t leaves)
{
    message->change = change;
    message->shard = shard;
    message->joins = joins;
    message->leaves = leaves;
}

/* Names the first auction of the queue. */
static void
step_queue(struct state_answer *answer, struct message *message)
{
    const char *id = answer->queue[answer->queue_first];
    struct auction *auction = audience_find(answer->audience, id);
    memcpy(message->auction, id, AUCTION_BYTES);
    fill(message, CHANGE_STATE, auction_shard(id), auction ? auction->joins : 0,
         auction ? auction->leaves : 0);
    if (auction)
        auction->state_wanted = false;
    if (answer->answering && answer->shard == message->shard)
        answer->check += auction_check(id);
    answer->queue_first = (answer->queue_first + 1) % QUEUE_MAX;
    answer->queue_count--;
}

/* Names the next auction of the shard being answered, or ends it. */
static void
step_shard(struct state_answer *answer, struct message *message)
{
    const struct auction *auction = answer->cursor;
    if (!auction) {
        message->auction[0] = 0;
        fill(message, CHANGE_END, answer->shard, answer->check, 0);
        answer->answering = false;
        return;
    }
    memcpy(message->auction, auction->id, strlen(auction->id) + 1);
    fill(message, CHANGE_STATE, auction->shard, auction->joins, auction->leaves);
    answer->check += auction_check(auction->id);
    answer->cursor = audience_next(auction);
}

/* Begins the next wanted shard that may be answered now, in turns. */
static bool
begin_shard(struct state_answer *answer, int64_t now_ms, struct message *message)
{
    for (unsigned i = 1; answer->wanted_count && i <= SHARD_COUNT; i++) {
        unsigned shard = (answer->shard + i) % SHARD_COUNT;
        if (!answer->wanted[shard] || answer->next_ms[shard] > now_ms)
            continue;
        answer->wanted[shard] = false;
        answer->wanted_count--;
        answer->next_ms[shard] = now_ms + SHARD_PAUSE_MS;
        answer->shard = shard;
        answer->answering = true;
        answer->check = 0;
        answer->cursor = audience_first(answer->audience, shard);
        message->auction[0] = 0;
        fill(message, CHANGE_BEGIN, shard, 0, 0);
        return true;
    }
    return false;
}

bool
state_answer_step(struct state_answer *answer, int64_t now_ms, struct message *message)
{
    answer->shards_turn = !answer->shards_turn;
    if (answer->queue_count && !answer->shards_turn)
        step_queue(answer, message);
    else if (answer->answering)
        step_shard(answer, message);
    else if (!begin_shard(answer, now_ms, message) && answer->queue_count)
        step_queue(answer, message);
    else
        return answer->answering;
    return true;
}

bool
state_answer_pending(const struct state_answer *answer)
{
    return answer->queue_count || answer->answering || answer->wanted_count;
}

void
state_answer_forget(struct state_answer *answer, const struct auction *auction)
{
    if (answer->answering && answer->cursor == auction)
        answer->cursor = audience_next(auction);
}
