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
    uint64_t sequence; /* the newest received */
    uint64_t states;   /* received since begin */
    uint32_t mark;     /* of this begin; grows */
    bool answering;    /* between begin and end */
    bool synced;       /* nothing is known to be missing */
    int64_t renew_ms;  /* no renewal before this monotonic time */
};

struct stream {
    int64_t epoch_ms; /* 0: nothing heard */
    struct stream_shard shards[SHARD_COUNT];
};

enum stream_verdict {
    STREAM_APPLY,   /* take the message's figures, marking them with *mark */
    STREAM_IGNORE,  /* nothing to take: begin, an older epoch, a repeat */
    STREAM_RESTART, /* drop all you have of the node, then take the figures */
    STREAM_SWEEP    /* figures of this shard whose mark is not *mark are gone */
};

/* An event or a count. *gap tells that something of the shard was missed: renew it. Counts that
 * are late must still be told apart by their own sequence. */
enum stream_verdict stream_take(struct stream *stream, const struct message *message,
                                uint32_t *mark, bool *gap);

/* A heartbeat: sets behind[shard] for each shard of which something was missed and returns how
 * many; *restart as above (then every shard with a sequence is behind). */
unsigned stream_heartbeat(struct stream *stream, const struct message *message,
                          bool behind[SHARD_COUNT], bool *restart);

/* Whether the shard may be renewed now (at most once a second); notes that it is. */
bool stream_renew(struct stream *stream, unsigned shard, int64_t mono_ms);

/* Whether nothing is known to be missing in any shard. A shard never heard of counts as whole.
 */
bool stream_whole(const struct stream *stream);

#endif
