/* In: answers for names, connections that came and went. Out: whom to connect and disconnect.
 * Pure; one thread.
 *
 *               named                        not named any more
 *     (none) ─────────▶ down ──────────────────────────────────▶ (none), disconnect
 *              connect  │ ▲ up, down
 *                       ▼ │                  named again
 *                       up ◀────────────────────────────────────┐
 *                       └─────────────────────────────────▶ up, unnamed
 *                              not named any more               │ down
 *                                                               ▼
 *                                                          (none), disconnect
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "table.h"
#include "peers.h"

struct peer {
    UT_hash_handle hh;
    size_t named;    /* by so many names; being fixed is one more */
    uint64_t answer; /* the last answer it was in */
    bool up;
    char endpoint[];
};

struct answer {
    struct peer **peers; /* each once */
    size_t count;
};

struct peers {
    struct peer *all; /* by endpoint */
    struct answer *answers;
    size_t names;
    size_t most;
    size_t connected;
    uint64_t answers_taken;
    peers_act_f *act;
    void *arg;
};

struct peers *
peers_new(size_t names, size_t most, peers_act_f *act, void *arg)
{
    struct peers *peers = mem_alloc(sizeof *peers);
    peers->answers = mem_alloc((names + 1) * sizeof *peers->answers);
    peers->names = names;
    peers->most = most;
    peers->act = act;
    peers->arg = arg;
    return peers;
}

void
peers_destroy(struct peers **peers)
{
    struct peer *peer, *next;
    if (!*peers)
        return;
    HASH_ITER(hh, (*peers)->all, peer, next)
    {
        HASH_DEL((*peers)->all, peer);
        free(peer);
    }
    for (size_t i = 0; i < (*peers)->names; i++)
        free((*peers)->answers[i].peers);
    free((*peers)->answers);
    free(*peers);
    *peers = NULL;
}

static struct peer *
find(const struct peers *peers, const char *endpoint)
{
    struct peer *peer;
    HASH_FIND_STR(peers->all, endpoint, peer);
    return peer;
}

/* NULL: it could not be connected. */
static struct peer *
add(struct peers *peers, const char *endpoint)
{
    if (peers->act(peers->arg, PEERS_CONNECT, endpoint))
        return NULL;
    struct peer *peer = mem_alloc(sizeof *peer + strlen(endpoint) + 1);
    strcpy(peer->endpoint, endpoint);
    HASH_ADD_KEYPTR(hh, peers->all, peer->endpoint, strlen(peer->endpoint), peer);
    return peer;
}

static void
drop_if_over(struct peers *peers, struct peer *peer)
{
    if (peer->named || peer->up)
        return;
    peers->act(peers->arg, PEERS_DISCONNECT, peer->endpoint);
    HASH_DEL(peers->all, peer);
    free(peer);
}

int
peers_fix(struct peers *peers, const char *endpoint)
{
    struct peer *peer = find(peers, endpoint);
    if (!peer)
        peer = add(peers, endpoint);
    if (!peer)
        return -1;
    peer->named++;
    return 0;
}

size_t
peers_resolved(struct peers *peers, size_t name, const char *const *endpoints, size_t count)
{
    assert(name < peers->names);
    struct answer *answer = &peers->answers[name], old = *answer;
    size_t left_out = 0;
    *answer = (struct answer){.peers = mem_alloc((count + 1) * sizeof *answer->peers)};
    peers->answers_taken++;
    for (size_t i = 0; i < count; i++) {
        struct peer *peer = find(peers, endpoints[i]);
        if (!peer && peers_count(peers) >= peers->most) {
            left_out++;
            continue;
        }
        if (!peer)
            peer = add(peers, endpoints[i]);
        if (!peer || peer->answer == peers->answers_taken)
            continue;
        peer->answer = peers->answers_taken;
        peer->named++;
        answer->peers[answer->count++] = peer;
    }
    for (size_t i = 0; i < old.count; i++) {
        old.peers[i]->named--;
        drop_if_over(peers, old.peers[i]);
    }
    free(old.peers);
    return left_out;
}

void
peers_up(struct peers *peers, const char *endpoint)
{
    struct peer *peer = find(peers, endpoint);
    if (!peer || peer->up)
        return;
    peer->up = true;
    peers->connected++;
}

void
peers_down(struct peers *peers, const char *endpoint)
{
    struct peer *peer = find(peers, endpoint);
    if (!peer)
        return;
    if (peer->up)
        peers->connected--;
    peer->up = false;
    drop_if_over(peers, peer);
}

size_t
peers_count(const struct peers *peers)
{
    return HASH_COUNT(peers->all);
}

size_t
peers_connected(const struct peers *peers)
{
    return peers->connected;
}
