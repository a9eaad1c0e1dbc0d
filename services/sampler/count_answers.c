/* In: wanted shards and their auctions; out: the same in parts, at a bounded rate. Pure; the
 * sampler's one thread. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "count_answers.h"

struct count_answers {
    bool wanted[SHARD_COUNT];
    unsigned wanted_count;
    int64_t after_ms[SHARD_COUNT]; /* not to be answered again before */
    unsigned look_at;              /* the shard to look at first, so that all get their turn */
    bool giving;
    char (*auctions)[AUCTION_BYTES];
    size_t count, room, next;
};

struct count_answers *
count_answers_new(void)
{
    return mem_alloc(sizeof(struct count_answers));
}

void
count_answers_destroy(struct count_answers **answers)
{
    if (!*answers)
        return;
    free((*answers)->auctions);
    free(*answers);
    *answers = NULL;
}

void
count_answers_want(struct count_answers *answers, unsigned shard)
{
    answers->wanted_count += !answers->wanted[shard];
    answers->wanted[shard] = true;
}

bool
count_answers_begin(struct count_answers *answers, int64_t mono_ms, unsigned *shard)
{
    assert(!answers->giving);
    for (unsigned i = 0; answers->wanted_count && i < SHARD_COUNT; i++) {
        unsigned at = (answers->look_at + i) % SHARD_COUNT;
        if (!answers->wanted[at] || mono_ms < answers->after_ms[at])
            continue;
        answers->wanted[at] = false;
        answers->wanted_count--;
        answers->after_ms[at] = mono_ms + ANSWER_INTERVAL_MS;
        answers->look_at = at + 1;
        answers->giving = true;
        *shard = at;
        answers->count = answers->next = 0;
        return true;
    }
    return false;
}

void
count_answers_add(struct count_answers *answers, const char *auction)
{
    assert(answers->giving);
    if (answers->count == answers->room) {
        answers->room = answers->room ? 2 * answers->room : 64;
        answers->auctions =
            mem_resize(answers->auctions, answers->room * sizeof *answers->auctions);
    }
    strcpy(answers->auctions[answers->count++], auction);
}

bool
count_answers_giving(const struct count_answers *answers)
{
    return answers->giving;
}

const char *
count_answers_next(struct count_answers *answers)
{
    assert(answers->giving);
    if (answers->next < answers->count)
        return answers->auctions[answers->next++];
    answers->giving = false;
    return NULL;
}

int64_t
count_answers_wait_ms(const struct count_answers *answers, int64_t mono_ms)
{
    if (answers->giving)
        return 0;
    int64_t wait_ms = -1;
    for (unsigned shard = 0; answers->wanted_count && shard < SHARD_COUNT; shard++) {
        if (!answers->wanted[shard])
            continue;
        int64_t due_ms = answers->after_ms[shard] - mono_ms;
        if (due_ms <= 0)
            return 0;
        wait_ms = wait_ms < 0 || due_ms < wait_ms ? due_ms : wait_ms;
    }
    return wait_ms;
}
