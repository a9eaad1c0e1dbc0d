/* The reader of nodes that publish (reader.h, stream.h), told any sequence of messages, ticks
 * and renewals. However wrong all before was, one whole answer and a heartbeat put right what
 * is known of a node. Input: operations of a few bytes each. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reader.h"

#include "fuzz.h"

#define AUCTIONS 4
#define NODES_MAX 3
#define TIMEOUT_MS 3000

static const char *const auctions[AUCTIONS] = {"lot-1", "lot-2", "lot-3", "lot-4"};

struct figures {
    bool known[AUCTIONS];
    uint64_t joins[AUCTIONS];
    uint32_t mark[AUCTIONS];
};

static struct figures *
find_figures(const struct reader_node *node)
{
    return node->figures;
}

static void
apply(void *arg, const struct reader_node *node, const struct message *message, uint32_t mark)
{
    struct figures *figures = find_figures(node);
    int i = 0;
    (void)arg;
    while (strcmp(auctions[i], message->auction))
        assert(++i < AUCTIONS);
    figures->known[i] = true;
    figures->joins[i] = message->joins;
    figures->mark[i] = mark;
}

static void
sweep(void *arg, const struct reader_node *node, unsigned shard, uint32_t mark)
{
    struct figures *figures = find_figures(node);
    (void)arg;
    for (int i = 0; i < AUCTIONS; i++)
        if (auction_shard(auctions[i]) == shard && figures->mark[i] != mark)
            figures->known[i] = false;
}

static void
drop(void *arg, const struct reader_node *node)
{
    (void)arg;
    *find_figures(node) = (struct figures){0};
}

static void
take_news(void *arg, const struct reader_node *node, enum reader_news news)
{
    (void)arg;
    assert(*node->id && news <= READER_LEFT);
}

static void
take_missed(void *arg, const struct reader_node *node, unsigned shard, uint64_t first,
            uint64_t last)
{
    (void)arg, (void)node;
    assert(shard < SHARD_COUNT && first <= last);
}

static void
draw_message(struct fuzz *fuzz, struct message *message)
{
    uint8_t who = fuzz_byte(fuzz);
    *message = (struct message){.kind = MESSAGE_EVENT,
                                .role = who & 0x80 ? NODE_SAMPLER : NODE_GATEWAY,
                                .epoch_ms = 1 + (who >> 2 & 3),
                                .time_ms = who >> 4 & 3};
    snprintf(message->node, sizeof message->node, "gw-%d", who & 3);
}

static void
draw_event(struct fuzz *fuzz, struct message *message)
{
    uint8_t what = fuzz_byte(fuzz);
    const char *auction = auctions[what & 3];
    message->shard = auction_shard(auction);
    message->change = (enum change_kind)((what >> 2 & 7) % (CHANGE_END + 1));
    message->sequence = fuzz_byte(fuzz) & 15;
    message->joins = fuzz_byte(fuzz) & 7;
    if (message->change == CHANGE_JOIN || message->change == CHANGE_LEAVE)
        message->sequence++;
    if (message->change < CHANGE_BEGIN)
        strcpy(message->auction, auction);
    else if (message->change == CHANGE_END)
        for (int i = 0; i < AUCTIONS; i++)
            message->joins += what >> 5 & 1 ? auction_check(auctions[i]) : 0;
}

static void
draw_heartbeat(struct fuzz *fuzz, struct message *message)
{
    message->kind = MESSAGE_HEARTBEAT;
    message->state = (enum node_state)(fuzz_byte(fuzz) % 3);
    for (int i = 0; i < AUCTIONS; i++)
        message->sequences[auction_shard(auctions[i])] = fuzz_byte(fuzz) & 15;
    message->unserved[auction_shard(auctions[0])] = fuzz_byte(fuzz) & 1;
}

static void
check_reader(struct reader *reader)
{
    size_t count = 0;
    bool troubled = false;
    const struct reader_node *node = reader_first(reader);
    for (; node; node = reader_next(reader, node), count++) {
        assert(node->missing_count <= SHARD_COUNT);
        troubled |= node->missing_count || !node->introduced;
    }
    assert(count == reader_nodes(reader) && count <= NODES_MAX);
    assert(!troubled || reader_troubled(reader));
}

static void
do_one(struct fuzz *fuzz, struct reader *reader, int64_t *now_ms)
{
    static struct message message;
    struct reader_renewal renewal;
    uint8_t how = fuzz_byte(fuzz);
    switch (how & 7) {
    case 0:
        *now_ms += (how >> 3) * 100;
        reader_tick(reader, *now_ms);
        break;
    case 1:
        while (reader_renewal(reader, *now_ms, &renewal))
            assert(renewal.shard < SHARD_COUNT && renewal.attempt && *renewal.node);
        break;
    default:
        draw_message(fuzz, &message);
        if ((how & 7) == 2)
            draw_heartbeat(fuzz, &message);
        else if ((how & 7) == 3)
            message.kind = MESSAGE_BYE;
        else
            draw_event(fuzz, &message);
        reader_take(reader, &message, *now_ms);
    }
    check_reader(reader);
}

/* A node says all it has, as a subscription is answered; its first auction is not there. */
static void
answer(struct reader *reader, struct message *message, int64_t now_ms)
{
    message->kind = MESSAGE_HEARTBEAT;
    reader_take(reader, message, now_ms);
    message->kind = MESSAGE_EVENT;
    for (int i = 0; i < AUCTIONS; i++) {
        message->shard = auction_shard(auctions[i]);
        message->change = CHANGE_BEGIN;
        message->sequence = 40;
        message->joins = 0;
        *message->auction = 0;
        reader_take(reader, message, now_ms);
        message->change = CHANGE_STATE;
        message->joins = 100;
        strcpy(message->auction, auctions[i]);
        if (i)
            reader_take(reader, message, now_ms);
        message->change = CHANGE_END;
        message->joins = i ? auction_check(auctions[i]) : 0;
        *message->auction = 0;
        reader_take(reader, message, now_ms);
    }
}

static void
check_healing(struct reader *reader, int64_t now_ms)
{
    static struct message message;
    message = (struct message){.role = NODE_GATEWAY, .epoch_ms = 4, .time_ms = 50};
    message.state = NODE_READY;
    for (int i = 0; i < AUCTIONS; i++)
        message.sequences[auction_shard(auctions[i])] = 40;
    const struct reader_node *node = reader_first(reader);
    strcpy(message.node, node ? node->id : "gw-0");
    answer(reader, &message, now_ms);
    message.kind = MESSAGE_HEARTBEAT;
    reader_take(reader, &message, now_ms);
    for (node = reader_first(reader); strcmp(node->id, message.node);)
        node = reader_next(reader, node);
    assert(node->introduced && !node->missing_count && node->was_whole);
    for (int i = 0; i < AUCTIONS; i++)
        assert(find_figures(node)->known[i] == (i > 0) &&
               (!i || find_figures(node)->joins[i] == 100));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    bool unread[SHARD_COUNT] = {[0] = true};
    struct reader_options options = {.role = NODE_GATEWAY,
                                     .unread = unread,
                                     .node_timeout_ms = TIMEOUT_MS,
                                     .nodes_max = NODES_MAX,
                                     .figures_bytes = sizeof(struct figures),
                                     .apply = apply,
                                     .sweep = sweep,
                                     .drop = drop,
                                     .news = take_news,
                                     .missed = take_missed};
    int64_t now_ms = 1000;
    struct reader *reader = reader_new(&options, now_ms);
    while (fuzz.left)
        do_one(&fuzz, reader, &now_ms);
    check_healing(reader, now_ms);
    reader_destroy(&reader);
    return 0;
}
