/* Which sampler is believed in each shard, of those that proto/reader knows. One is fit that is
 * ready, serves the shard and was whole at least once since it started. It is followed until it
 * falls silent, says bye, restarts or is not ready any more; then another that is fit (of
 * several, the one whose id sorts first). Of each shard:
 *
 *                    a node is fit               silent
 *       UNKNOWN ─────────────────────▶ FOLLOWING ──────▶ UNKNOWN
 *                                       │    ▲
 *           bye, restart, not ready     ▼    │ a node is fit
 *                                      HOLDING ────────▶ UNKNOWN
 *                                              hold_ms over
 *
 * HOLDING keeps to what the last one said, so that a sampler's quick restart does not show.
 * Pure: nodes and monotonic times in. One thread. */
#ifndef LIVE_FOLLOW_H
#define LIVE_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "reader.h"

struct live_follow;

/* reader (borrowed) is asked for the nodes that there are. */
struct live_follow *live_follow_new(const struct reader *reader, int64_t hold_ms);
void live_follow_destroy(struct live_follow **follow);

/* The node has spoken: what it is fit for may have changed. */
void live_follow_judge(struct live_follow *follow, const struct reader_node *node,
                       int64_t mono_ms);

/* The node is not to be followed any more, whatever the reader still says of it. Where no other
 * is fit it is held on to, unless it was silent. */
void live_follow_lose(struct live_follow *follow, const struct reader_node *node, bool silent,
                      int64_t mono_ms);

/* The shard's node ceases to be, what it said is held on to elsewhere. */
void live_follow_release(struct live_follow *follow, unsigned shard);

/* Time passes: what was held on to for long enough is unknown. */
void live_follow_tick(struct live_follow *follow, int64_t mono_ms);

/* Whether the shard's counts are known: somebody is followed or held on to. */
bool live_follow_known(const struct live_follow *follow, unsigned shard);
unsigned live_follow_known_count(const struct live_follow *follow);

/* Who that is; NULL: released, or nobody. */
const struct reader_node *live_follow_node(const struct live_follow *follow, unsigned shard);

/* How often somebody was begun to be followed, over all shards. */
uint64_t live_follow_changes(const struct live_follow *follow);

#endif
