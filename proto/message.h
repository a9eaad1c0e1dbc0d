/* The published messages (proto/README.md): encode to bytes, decode from hostile bytes.
 * Pure but for memory; any thread. */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auction.h"
#include "snapshot.h"

#define PROTOCOL_VERSION 1
#define TOPIC_BYTES 160 /* the longest topic and its end */

enum message_kind {
    MESSAGE_EVENT,
    MESSAGE_COUNT,
    MESSAGE_SNAPSHOT,
    MESSAGE_HEARTBEAT,
    MESSAGE_BYE
};

enum change_kind { /* of events and counts, as on the wire */
                   CHANGE_STATE,
                   CHANGE_JOIN, /* of a count: a change or a repeat */
                   CHANGE_LEAVE,
                   CHANGE_BEGIN,
                   CHANGE_END
};

enum node_role { NODE_GATEWAY, NODE_SAMPLER };
enum node_state { NODE_WARMING, NODE_READY, NODE_LEAVING };

/* One decoded message; which members hold is said beside them. */
struct message {
    enum message_kind kind;
    unsigned shard;              /* event, count, snapshot */
    char auction[AUCTION_BYTES]; /* event, count, snapshot; "" for begin and end */
    enum node_role role;         /* all: event is a gateway's, count and snapshot a sampler's */
    char node[NODE_BYTES];       /* all */
    int64_t epoch_ms;            /* all */
    int64_t time_ms;             /* all but snapshot */
    uint64_t sequence;           /* event, count */
    enum change_kind change;     /* event, count */
    uint64_t joins, leaves;      /* event */
    uint64_t count;              /* count */
    struct snapshot snapshot;    /* snapshot */
    enum node_state state;       /* heartbeat */
    uint64_t total;              /* heartbeat: viewers known */
    uint64_t sequences[SHARD_COUNT]; /* heartbeat: per shard, 0 = nothing sent yet */
    bool unserved[SHARD_COUNT];      /* heartbeat: shards that the node says nothing of */
};

enum decode_result {
    DECODE_OK,
    DECODE_TOPIC,   /* the topic is none of ours or malformed */
    DECODE_VERSION, /* another protocol version */
    DECODE_FORMAT,  /* not MessagePack, not an array, too short, bytes after it */
    DECODE_TYPE,    /* an element of the wrong type */
    DECODE_RANGE    /* an element out of range, or topic and body disagree */
};

/* A stable lower-case word for a result: "ok", "topic", "version", "format", "type", "range".
 */
const char *decode_result_text(enum decode_result result);

/* Fills the members that hold for the kind and leaves the others as they were; on anything but
 * DECODE_OK the content means nothing. */
enum decode_result message_decode(const void *topic, size_t topic_bytes, const void *body,
                                  size_t body_bytes, struct message *message);

/* Encodes into memory that `encoder` keeps and reuses: topic and body stay valid until its next
 * use. The message must be valid (asserted). */
struct encoder;
struct encoder *encoder_new(void);
void encoder_destroy(struct encoder **encoder);
struct encoded {
    const char *topic;
    size_t topic_bytes;
    const char *body;
    size_t body_bytes;
};
struct encoded message_encode(struct encoder *encoder, const struct message *message);

/* The topic prefix of a kind ("event/"), of one shard ("event/3f/") or one auction. Each writes
 * at most TOPIC_BYTES with the end and returns the length. */
size_t topic_kind(enum message_kind kind, char topic[TOPIC_BYTES]);
size_t topic_shard(enum message_kind kind, unsigned shard, char topic[TOPIC_BYTES]);
size_t topic_auction(enum message_kind kind, const char *auction, char topic[TOPIC_BYTES]);

/* The prefix to subscribe to, and at once to unsubscribe from, so that one node tells the state
 * of a shard again: "renew/gateway/gw-1/3f/". */
size_t topic_renewal(enum node_role role, const char *node, unsigned shard,
                     char topic[TOPIC_BYTES]);

/* What an XPUB must answer when somebody subscribes to prefix (not terminated), for a publisher
 * of `kind` (MESSAGE_EVENT or MESSAGE_COUNT). */
enum subscription_scope {
    SCOPE_NOTHING, /* not ours, or no state belongs to it */
    SCOPE_AUCTION, /* one auction: its id is in auction */
    SCOPE_SHARD,   /* one shard: shard (also prefixes that end within an auction's id) */
    SCOPE_ALL      /* every shard (also prefixes that end within a shard's digits) */
};
struct subscription {
    enum subscription_scope scope;
    bool heartbeat; /* the prefix covers heartbeats */
    unsigned shard;
    char auction[AUCTION_BYTES];
    char node[NODE_BYTES]; /* SCOPE_SHARD: the only node that is asked; "": any */
};
struct subscription subscription_read(enum message_kind kind, const void *prefix, size_t bytes);

#endif
