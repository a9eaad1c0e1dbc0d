/* A subscription's prefix. Whatever topic it lets through, the state belonging to that topic is
 * asked for. Input: the kind, an auction's or node's id and its 0, the prefix. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"

#include "fuzz.h"

static bool
is_start(const char *prefix, size_t length, const char *topic)
{
    return length <= strlen(topic) && (!length || !memcmp(prefix, topic, length));
}

static bool
is_told(const struct subscription *subscription, const char *auction)
{
    switch (subscription->scope) {
    case SCOPE_ALL:
        return true;
    case SCOPE_SHARD:
        return subscription->shard == auction_shard(auction);
    case SCOPE_AUCTION:
        return !strcmp(subscription->auction, auction);
    case SCOPE_NOTHING:
        break;
    }
    return false;
}

static void
check(enum message_kind kind, const char *id, const char *prefix, size_t length)
{
    char topic[TOPIC_BYTES];
    struct subscription subscription = subscription_read(kind, prefix, length);
    assert(subscription.shard < SHARD_COUNT);
    if (subscription.scope == SCOPE_AUCTION) {
        assert(topic_auction(kind, subscription.auction, topic) == length);
        assert(is_start(prefix, length, topic));
    }
    if (auction_valid(id, strlen(id))) {
        topic_auction(kind, id, topic);
        assert(!is_start(prefix, length, topic) || is_told(&subscription, id));
    }
    if (node_valid(id, strlen(id))) {
        enum node_role role = kind == MESSAGE_EVENT ? NODE_GATEWAY : NODE_SAMPLER;
        snprintf(topic, sizeof topic, "heartbeat/%s/%s/",
                 role == NODE_GATEWAY ? "gateway" : "sampler", id);
        assert(!is_start(prefix, length, topic) || subscription.heartbeat);
        topic_renewal(role, id, subscription.shard, topic);
        assert(*subscription.node == 0 || strcmp(id, subscription.node) ||
               is_start(prefix, length, topic));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    size_t length;
    enum message_kind kind = fuzz_byte(&fuzz) & 1 ? MESSAGE_COUNT : MESSAGE_EVENT;
    char *id = fuzz_text(&fuzz);
    char *prefix = fuzz_rest(&fuzz, &length);
    check(kind, id, prefix, length);
    free(id);
    free(prefix);
    return 0;
}
