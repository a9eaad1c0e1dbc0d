/* One publishing node as a reader of whole shards sees it: rules 1 to 5 of "What a reader must
 * do" in proto/README.md, for events and counts alike. Pure: messages in, verdicts out. It
 * keeps sequences, not figures: the reader keeps those, and the mark that each was last named
 * under.
 *
 *        begin                    end, all states seen
 *   UNSYNCED ──▶ ANSWERING ─────────────────────────────▶ SYNCED
 *      ▲             │ end, states missing; gap             │ gap
 *      └─────────────┴───────────────────────────────────────┘
 */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "message.h"

struct stream_shard {
    uint64_t sequence;  /* the newest received */
    uint64_t announced; /* the newest that a heartbeat named */
    uint64_t check;     /* of the states received since begin */
    int64_t begin_ms;   /* the time of that begin: its end has the same */
    uint32_t mark;      /* of this begin; grows */
    bool answering;     /* between begin and end, nothing of which was missed so far */
    bool fresh;         /* no heartbeat has come since begin */
    bool synced;        /* nothing is known to be missing */
    bool unread;      /* the reader's: it does not follow this shard, so none of it is missed */
    int64_t renew_ms; /* no renewal before this monotonic time */
};

/* Zeroed to begin with, and again when the node fell silent. */
struct stream {
    int64_t epoch_ms; /* 0: nothing heard */
    struct stream_shard shards[SHARD_COUNT];
};

enum stream_verdict {
    STREAM_APPLY,   /* take the message's figures, marking them with *mark */
    STREAM_IGNORE,  /* nothing to take: begin, an older epoch, a repeat */
    STREAM_RESTART, /* drop all you have of the node, then take the figures of the message's
                     * auction (begin and end name none: then there is nothing to take) */
    STREAM_SWEEP    /* figures of this shard whose mark is not *mark are gone */
};

/* An event or a count. *gap tells that something of the shard was missed: renew it. Counts that
 * are late must still be told apart by their own sequence. */
enum stream_verdict stream_take(struct stream *stream, const struct message *message,
                                uint32_t *mark, bool *gap);

/* A heartbeat: sets behind[shard] for each shard of which something is missing and no answer is
 * on its way, and returns how many; *restarted as above (then every shard with a sequence is
 * behind). Told again at each heartbeat until an answer has come whole. */
unsigned stream_heartbeat(struct stream *stream, const struct message *message,
                          bool behind[SHARD_COUNT], bool *restarted);

/* Whether the shard may be renewed now (at most once a second); notes that it is. */
bool stream_renew(struct stream *stream, unsigned shard, int64_t mono_ms);

/* Whether nothing is known to be missing in the shard. */
bool stream_shard_whole(const struct stream *stream, unsigned shard);

/* Whether nothing is known to be missing in any shard. A shard never heard of counts as whole.
 */
bool stream_whole(const struct stream *stream);

#endif
