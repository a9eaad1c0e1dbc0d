/* In: topics and subscription prefixes as bytes. Out: what they name; and the other way round.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "topic.h"

const char *const topic_kind_names[] = {"event", "count", "snapshot", "heartbeat", "bye"};
static const char *const role_names[] = {"gateway", "sampler"};
static const char renewal_name[] = "renew";

/* A piece of text that is taken apart from its front. */
struct text {
    const char *at;
    size_t left;
};

static bool
take_byte(struct text *text, char byte)
{
    if (!text->left || *text->at != byte)
        return false;
    text->at++;
    text->left--;
    return true;
}

/* Takes "word/". */
static bool
take_word(struct text *text, const char *word)
{
    size_t length = strlen(word);
    if (text->left <= length || memcmp(text->at, word, length) || text->at[length] != '/')
        return false;
    text->at += length + 1;
    text->left -= length + 1;
    return true;
}

static int
take_digit(struct text *text)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = text->left && *text->at ? strchr(digits, *text->at) : NULL;
    if (!found)
        return -1;
    text->at++;
    text->left--;
    return (int)(found - digits);
}

/* Takes what there is before the next '/' or the end. */
static struct text
take_segment(struct text *text)
{
    const char *slash = text->left ? memchr(text->at, '/', text->left) : NULL;
    size_t length = slash ? (size_t)(slash - text->at) : text->left;
    struct text segment = {text->at, length};
    text->at += length;
    text->left -= length;
    return segment;
}

static void
copy_id(char *id, struct text segment)
{
    memcpy(id, segment.at, segment.left);
    id[segment.left] = 0;
}

/* Takes "3f/" or "3f/lot-12/", all there is. */
static bool
take_place(struct text *text, struct message *message)
{
    int high = take_digit(text);
    int low = high < 0 ? -1 : take_digit(text);
    if (low < 0 || !take_byte(text, '/'))
        return false;
    message->shard = (unsigned)(high * 16 + low);
    message->auction[0] = 0;
    if (!text->left)
        return true;
    struct text id = take_segment(text);
    if (!auction_valid(id.at, id.left) || !take_byte(text, '/') || text->left)
        return false;
    copy_id(message->auction, id);
    return auction_shard(message->auction) == message->shard;
}

/* Takes "gateway/node/", all there is. */
static bool
take_node(struct text *text, struct message *message)
{
    if (take_word(text, role_names[NODE_GATEWAY]))
        message->role = NODE_GATEWAY;
    else if (take_word(text, role_names[NODE_SAMPLER]))
        message->role = NODE_SAMPLER;
    else
        return false;
    struct text id = take_segment(text);
    if (!node_valid(id.at, id.left) || !take_byte(text, '/') || text->left)
        return false;
    copy_id(message->node, id);
    return true;
}

bool
topic_read(const void *topic, size_t bytes, struct message *message)
{
    struct text text = {topic, bytes};
    int kind = MESSAGE_EVENT;
    while (kind <= MESSAGE_BYE && !take_word(&text, topic_kind_names[kind]))
        kind++;
    message->kind = (enum message_kind)kind;
    message->node[0] = 0;
    switch (kind) {
    case MESSAGE_EVENT:
    case MESSAGE_COUNT:
        message->role = kind == MESSAGE_EVENT ? NODE_GATEWAY : NODE_SAMPLER;
        return take_place(&text, message);
    case MESSAGE_SNAPSHOT:
        message->role = NODE_SAMPLER;
        return take_place(&text, message) && *message->auction;
    case MESSAGE_HEARTBEAT:
    case MESSAGE_BYE:
        message->shard = 0;
        message->auction[0] = 0;
        return take_node(&text, message);
    }
    return false;
}

size_t
topic_kind(enum message_kind kind, char topic[TOPIC_BYTES])
{
    return (size_t)snprintf(topic, TOPIC_BYTES, "%s/", topic_kind_names[kind]);
}

size_t
topic_shard(enum message_kind kind, unsigned shard, char topic[TOPIC_BYTES])
{
    assert(shard < SHARD_COUNT);
    return (size_t)snprintf(topic, TOPIC_BYTES, "%s/%02x/", topic_kind_names[kind], shard);
}

size_t
topic_auction(enum message_kind kind, const char *auction, char topic[TOPIC_BYTES])
{
    assert(auction_valid(auction, strlen(auction)));
    return (size_t)snprintf(topic, TOPIC_BYTES, "%s/%02x/%s/", topic_kind_names[kind],
                            auction_shard(auction), auction);
}

size_t
topic_renewal(enum node_role role, const char *node, unsigned shard, char topic[TOPIC_BYTES])
{
    assert(shard < SHARD_COUNT && node_valid(node, strlen(node)));
    return (size_t)snprintf(topic, TOPIC_BYTES, "%s/%s/%s/%02x/", renewal_name,
                            role_names[role], node, shard);
}

size_t
topic_write(const struct message *message, char topic[TOPIC_BYTES])
{
    if (message->kind == MESSAGE_HEARTBEAT || message->kind == MESSAGE_BYE)
        return (size_t)snprintf(topic, TOPIC_BYTES, "%s/%s/%s/",
                                topic_kind_names[message->kind], role_names[message->role],
                                message->node);
    if (*message->auction)
        return topic_auction(message->kind, message->auction, topic);
    return topic_shard(message->kind, message->shard, topic);
}

/* Whether a subscription to prefix receives topics that begin with whole. */
static bool
is_start_of(struct text prefix, const char *whole)
{
    return prefix.left <= strlen(whole) && !memcmp(prefix.at, whole, prefix.left);
}

/* Whether prefix covers heartbeats of nodes of the role. */
static bool
covers_heartbeat(struct text prefix, enum node_role role)
{
    char topics[TOPIC_BYTES];
    snprintf(topics, sizeof topics, "%s/%s/", topic_kind_names[MESSAGE_HEARTBEAT],
             role_names[role]);
    if (is_start_of(prefix, topics))
        return true;
    if (!take_word(&prefix, topic_kind_names[MESSAGE_HEARTBEAT]) ||
        !take_word(&prefix, role_names[role]))
        return false;
    struct text node = take_segment(&prefix);
    return node_valid(node.at, node.left) &&
           (!prefix.left || (prefix.left == 1 && *prefix.at == '/'));
}

/* What a prefix beyond "event/" asks for. */
static enum subscription_scope
read_place(struct text prefix, struct subscription *subscription)
{
    if (!prefix.left)
        return SCOPE_ALL;
    int high = take_digit(&prefix);
    if (high >= 0 && !prefix.left)
        return SCOPE_ALL;
    int low = high < 0 ? -1 : take_digit(&prefix);
    if (low < 0 || (prefix.left && !take_byte(&prefix, '/')))
        return SCOPE_NOTHING;
    subscription->shard = (unsigned)(high * 16 + low);
    if (!prefix.left)
        return SCOPE_SHARD;
    struct text id = take_segment(&prefix);
    if (!auction_valid(id.at, id.left))
        return SCOPE_NOTHING;
    if (!prefix.left)
        return SCOPE_SHARD; /* the start of some auctions' ids */
    copy_id(subscription->auction, id);
    bool whole = take_byte(&prefix, '/') && !prefix.left;
    return whole && auction_shard(subscription->auction) == subscription->shard ? SCOPE_AUCTION
                                                                                : SCOPE_NOTHING;
}

/* Takes "node/3f/" of a renewal, all there is. */
static enum subscription_scope
read_renewal(struct text text, struct subscription *subscription)
{
    struct text node = take_segment(&text);
    if (!node_valid(node.at, node.left) || !take_byte(&text, '/'))
        return SCOPE_NOTHING;
    int high = take_digit(&text);
    int low = high < 0 ? -1 : take_digit(&text);
    if (low < 0 || !take_byte(&text, '/') || text.left)
        return SCOPE_NOTHING;
    copy_id(subscription->node, node);
    subscription->shard = (unsigned)(high * 16 + low);
    return SCOPE_SHARD;
}

struct subscription
subscription_read(enum message_kind kind, const void *prefix, size_t bytes)
{
    assert(kind == MESSAGE_EVENT || kind == MESSAGE_COUNT);
    struct subscription subscription = {0};
    struct text text = {bytes ? prefix : "", bytes};
    char topics[TOPIC_BYTES];
    topic_kind(kind, topics);
    enum node_role role = kind == MESSAGE_EVENT ? NODE_GATEWAY : NODE_SAMPLER;
    subscription.heartbeat = covers_heartbeat(text, role);
    if (is_start_of(text, topics))
        subscription.scope = SCOPE_ALL;
    else if (take_word(&text, topic_kind_names[kind]))
        subscription.scope = read_place(text, &subscription);
    else if (take_word(&text, renewal_name) && take_word(&text, role_names[role]))
        subscription.scope = read_renewal(text, &subscription);
    if (subscription.scope != SCOPE_AUCTION)
        subscription.auction[0] = 0;
    return subscription;
}
