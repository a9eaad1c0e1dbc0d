/* Which sampler's counts a gateway believes, and what they say of viewers elsewhere.
 *
 * Of each shard one sampler node that is ready and serves it is followed until it falls silent,
 * says bye, restarts or is not ready any more; then another (of several, the one whose id sorts
 * first, so that all gateways agree). What an auction shows is its own viewers plus those
 * elsewhere: the sampler's count, less what was our own when it came. So a local join or leave
 * shows at once, and never less than our own is shown. Of each shard:
 *
 *                    ready heartbeat             silent
 *        ALONE ─────────────────────▶ FOLLOWING ────────▶ ALONE (viewers elsewhere dropped)
 *                                      │    ▲
 *          bye, restart, not ready     ▼    │ ready heartbeat of any node
 *                                     HOLDING ──────────▶ ALONE
 *                                            silence_ms over
 *
 * HOLDING keeps what was known of elsewhere, so that a sampler's quick restart does not show.
 * Following anew renews every auction of the shard. Pure: messages and times (ms, monotonic)
 * in; whom to renew, and calls of `changed`, out. One thread. */
#ifndef FOLLOW_H
#define FOLLOW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "message.h"

/* What is known of one auction; part of the auction, zeroed to begin with. */
struct follow_auction {
    TAILQ_ENTRY(follow_auction) by_touch;
    int64_t touched_ms; /* last heard of or (re)subscribed */
    uint64_t others;    /* viewers elsewhere */
    uint64_t sequence;  /* of the last count taken */
    unsigned shard;
    uint32_t heard; /* the following in which that was; 0: none */
    uint32_t asked; /* the following in which it was (re)subscribed */
    bool watched;
    bool expected; /* a count will come soon: there was a sampler when it was watched, or the
                    * gateway had just begun to listen */
};

/* An auction's others changed. Must not watch or unwatch. */
typedef void follow_changed_f(void *arg, struct follow_auction *auction);

struct follow;

struct follow *follow_new(int64_t silence_ms, follow_changed_f *changed, void *arg);
void follow_destroy(struct follow **follow);

/* Samplers may be there that could not be heard yet, until then. */
void follow_expect(struct follow *follow, int64_t until_ms);

/* The first viewer came (the caller subscribes); the last one left (it unsubscribes). */
void follow_watch(struct follow *follow, struct follow_auction *auction, unsigned shard,
                  int64_t now_ms);
void follow_unwatch(struct follow *follow, struct follow_auction *auction);

enum follow_result {
    FOLLOW_TAKEN,
    FOLLOW_OLD, /* of an epoch that is over: ignored */
    FOLLOW_FULL /* of one sampler too many: ignored */
};

/* A count (auction NULL: of one that we do not watch) while we have own viewers of it; a
 * sampler's heartbeat or bye. */
enum follow_result follow_count(struct follow *follow, const struct message *message,
                                struct follow_auction *auction, uint64_t own, int64_t now_ms);
enum follow_result follow_heartbeat(struct follow *follow, const struct message *message,
                                    int64_t now_ms);
void follow_bye(struct follow *follow, const struct message *message, int64_t now_ms);

/* Notices silence. Call several times a second: when it was not for more than a second, this
 * process itself was stopped, and no sampler is blamed. */
void follow_tick(struct follow *follow, int64_t now_ms);

/* The next auction whose subscription is to be renewed now; NULL: none. */
struct follow_auction *follow_next_renewal(struct follow *follow, int64_t now_ms);

/* The node followed in a shard; NULL: none. */
const char *follow_node(const struct follow *follow, unsigned shard);

/* How many shards have a node that is followed; how often one was begun to be followed. */
unsigned follow_shards(const struct follow *follow);
uint64_t follow_changes(const struct follow *follow);

#endif
