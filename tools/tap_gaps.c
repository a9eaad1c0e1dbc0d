/* In: messages. Out: which sequences were skipped. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "tap_gaps.h"

struct node {
    char id[NODE_BYTES];
    enum node_role role;
    int64_t epoch_ms;
    bool heard[SHARD_COUNT];         /* sequences[shard] is known */
    uint64_t sequences[SHARD_COUNT]; /* the newest */
};

struct tap_gaps {
    struct node *nodes[TAP_NODES_MAX];
    size_t count;
};

struct tap_gaps *
tap_gaps_new(void)
{
    return mem_alloc(sizeof(struct tap_gaps));
}

void
tap_gaps_destroy(struct tap_gaps **gaps)
{
    if (!*gaps)
        return;
    for (size_t i = 0; i < (*gaps)->count; i++)
        free((*gaps)->nodes[i]);
    free(*gaps);
    *gaps = NULL;
}

/* The sender, new if need be; NULL when there are too many. */
static struct node *
find_node(struct tap_gaps *gaps, const struct message *message)
{
    for (size_t i = 0; i < gaps->count; i++)
        if (gaps->nodes[i]->role == message->role && !strcmp(gaps->nodes[i]->id, message->node))
            return gaps->nodes[i];
    if (gaps->count == TAP_NODES_MAX)
        return NULL;
    struct node *node = mem_alloc(sizeof *node);
    memcpy(node->id, message->node, NODE_BYTES);
    node->role = message->role;
    gaps->nodes[gaps->count++] = node;
    return node;
}

/* Notes that everything up to sequence was sent, its last `own` messages being at hand. */
static size_t
note(struct node *node, unsigned shard, uint64_t sequence, unsigned own, struct tap_gap *found)
{
    uint64_t expected = node->sequences[shard] + own;
    bool missed = node->heard[shard] && sequence > expected;
    if (missed)
        *found = (struct tap_gap){shard, node->sequences[shard] + 1, sequence - own};
    if (!node->heard[shard] || sequence > node->sequences[shard])
        node->sequences[shard] = sequence;
    node->heard[shard] = true;
    return missed;
}

size_t
tap_gaps_take(struct tap_gaps *gaps, const struct message *message,
              struct tap_gap found[SHARD_COUNT])
{
    struct node *node = find_node(gaps, message);
    size_t count = 0;
    if (!node || message->epoch_ms < node->epoch_ms)
        return 0;
    if (message->epoch_ms > node->epoch_ms) {
        bool first = !node->epoch_ms;
        node->epoch_ms = message->epoch_ms;
        memset(node->heard, !first, sizeof node->heard); /* a restart begins at 0, known */
        memset(node->sequences, 0, sizeof node->sequences);
    }
    switch (message->kind) {
    case MESSAGE_EVENT:
    case MESSAGE_COUNT:
        return note(node, message->shard, message->sequence,
                    message->change == CHANGE_JOIN || message->change == CHANGE_LEAVE, found);
    case MESSAGE_HEARTBEAT:
        for (unsigned shard = 0; shard < SHARD_COUNT; shard++)
            count += note(node, shard, message->sequences[shard], 0, &found[count]);
        return count;
    case MESSAGE_SNAPSHOT:
    case MESSAGE_BYE:
        break;
    }
    return 0;
}
