/* A whole Headcount in one thread and in virtual time: gateways, samplers and stores made of
 * the real cores, joined by a simulated network that drops, doubles, delays and cuts.
 * Everything is drawn from one seed, so a schedule that fails can be had again. */
#ifndef WORLD_H
#define WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chance.h"

#include "message.h"
#include "snapshot.h"
#include "store_request.h"

#include "audience.h"
#include "event_source.h"
#include "follow.h"

#include "live_figures.h"

#include "census.h"
#include "count_source.h"
#include "outbox.h"

#define GATEWAYS 3
#define SAMPLERS 3
#define STORES 2
#define APIS 1
#define FIRST_API (GATEWAYS + SAMPLERS + STORES)
#define PROCESSES (FIRST_API + APIS)
#define AUCTIONS 6
#define VIEWERS 24   /* at most, at one gateway */
#define WINDOWS 64   /* that the database has room for */
#define HISTORY 2048 /* steps that truth is remembered for */

#define STEP_MS 10
#define SAMPLE_MS 500
#define WINDOW_MS 5000
#define HEARTBEAT_MS 1000
#define NODE_TIMEOUT_MS 3000
#define LINK_TIMEOUT_MS 3000 /* silence after which a connection is given up */
#define WALL_MS INT64_C(1700000000000)
#define SKEW_MS 2000 /* clocks differ by no more, either way */

struct world;

/* What every process has, whatever it is. */
struct process {
    bool here;   /* part of this schedule at all */
    bool alive;  /* between start and crash or stop */
    bool paused; /* SIGSTOP */
    int64_t skew_ms;
    int64_t epoch_ms;
    int64_t started_ms;
    int64_t paused_ms;  /* since when */
    int64_t due_ms;     /* when it crashes no more, or goes on after a pause */
    int64_t stepped_ms; /* when its clock last stepped */
    int64_t faulted_ms; /* when something last went wrong with it, or was mended */
    unsigned cuts;      /* links of it that are cut now */
    char node[NODE_BYTES];
    unsigned runs; /* starts so far */
};

struct gateway {
    struct audience *audience;
    struct event_source *source;
    struct follow *follow;
    struct viewer viewers[VIEWERS];
    int64_t source_ms, follow_ms; /* when they are due */
    int64_t held_ms[AUCTIONS];    /* since when somebody watches here; -1: nobody */
};

struct sampler {
    struct census *census;
    struct count_source *source;
    struct outbox *outbox;
    bool unserved[SHARD_COUNT];
    bool started;
    int64_t ready_ms; /* since when */
    int64_t census_ms, source_ms;
    unsigned next_store;
    struct snapshot last[AUCTIONS]; /* the newest snapshot of each auction; timestamp 0: none */
    int64_t window_ms;              /* the window that its clock is in: its end */
    int64_t known_ms[GATEWAYS];     /* since when it knows of the gateway; 0: it does not */
    int64_t blind_ms;               /* when one that it did not know of ended */
};

struct api {
    struct live_figures *figures;
    int64_t tick_ms;
};

/* A row of the database. */
struct stored {
    bool there;
    struct snapshot row;
};

/* What the database must have in the end, because a sampler saw the whole of it, unless that
 * sampler died with its outbox. */
struct owed {
    bool owed;
    unsigned sampler, run;
};

/* A gateway that is no more. */
struct grave {
    char node[NODE_BYTES];
    int64_t epoch_ms;
    int64_t died_ms;
};
#define GRAVES 64

enum parcel_kind { PARCEL_MESSAGE, PARCEL_ASK, PARCEL_FORGET, PARCEL_BATCH, PARCEL_ACK };

struct parcel {
    struct parcel *next;
    int64_t due_ms;
    enum parcel_kind kind;
    struct subscription ask; /* ASK, FORGET */
    bool subscribes;         /* ASK: not only a question for one node */
    uint64_t id;             /* BATCH, ACK */
    enum ack_code code;      /* ACK */
    struct snapshot *rows;   /* BATCH: owned */
    size_t row_count;        /* BATCH */
    unsigned char *bytes;    /* MESSAGE: as much of it as its kind uses; within this block */
    size_t byte_count;
};

struct lane { /* one direction of a link: first in, first out */
    struct parcel *first, **end;
    unsigned length;
    int64_t last_due_ms;
};

/* A connection that `from` (a reader, or a sampler with batches) makes to `to`. */
struct link {
    unsigned from, to;
    bool up;
    bool cut;
    int64_t cut_ms;     /* since when */
    int64_t due_ms;     /* cut: when it is mended */
    int64_t connect_ms; /* not up: when it is tried again */
    struct lane forth, back;
    bool shards[SHARD_COUNT]; /* that `to` knows to be subscribed to */
    bool auctions[AUCTIONS];  /* likewise */
};

#define LINKS (2 * GATEWAYS * SAMPLERS + SAMPLERS * STORES + SAMPLERS * APIS)

struct world {
    struct chance chance;
    uint64_t seed;
    int64_t now_ms; /* virtual, from 0; every process's monotonic clock */
    struct process processes[PROCESSES];
    struct gateway gateways[GATEWAYS];
    struct sampler samplers[SAMPLERS];
    struct api apis[APIS];
    struct link links[LINKS];
    unsigned link_count;
    struct stored database[AUCTIONS][WINDOWS];
    struct owed owed[AUCTIONS][WINDOWS];
    struct owed complete[AUCTIONS][WINDOWS]; /* so said by a snapshot */
    int64_t truth[AUCTIONS];                 /* viewers at gateways that live */
    int64_t areas[AUCTIONS][HISTORY];        /* viewers times ms so far, by step */
    int64_t moves[AUCTIONS][HISTORY];        /* joins and leaves so far, by step */
    struct grave graves[GRAVES];
    unsigned grave_count;
    unsigned sampler_count, replicas;
    bool chaos;             /* faults may happen */
    unsigned loss;          /* percent of messages lost, and as many doubled */
    int64_t loss_ms;        /* when the last one was lost, or late */
    unsigned first_auction; /* that somebody may join */
    bool deaf_spots;        /* a subscription was lost, and stands out only when it is missed */
    int64_t delayed_ms;     /* when something last stalled, or went on */
    int64_t slow_ms;        /* delays are up to this */
    bool sticky_nodes;      /* a process that starts again has its old name */
    uint64_t delivered;     /* messages, in all */
    bool ending;            /* no further window is owed */
    bool trace;             /* print what happens */
    char failure[256];      /* "": none so far */
};

/* Auctions by number; the shard of each. */
const char *auction_name(unsigned auction);
unsigned auction_of(const char *name);
unsigned shard_of(unsigned auction);

static inline unsigned
draw(struct world *world, unsigned below)
{
    return (unsigned)chance_below(&world->chance, below);
}

static inline int64_t
wall_ms(const struct world *world, unsigned process)
{
    return WALL_MS + world->now_ms + world->processes[process].skew_ms;
}

static inline bool
runs(const struct world *world, unsigned process)
{
    const struct process *p = &world->processes[process];
    return p->here && p->alive && !p->paused;
}

/* The first thing that is wrong is kept. */
__attribute__((format(printf, 2, 3))) void fail(struct world *world, const char *format, ...);
__attribute__((format(printf, 2, 3))) void trace(const struct world *world, const char *format,
                                                 ...);

/* network.c */
void network_make(struct world *world);
void network_step(struct world *world); /* connects, gives up, delivers */
void network_drop(struct world *world, unsigned process, bool politely); /* its links go down */
void network_fini(struct world *world);
void network_publish(struct world *world, unsigned from, const struct message *message);
struct link *network_link(struct world *world, unsigned from, unsigned to);
void network_ask(struct world *world, struct link *link, const struct subscription *ask,
                 bool subscribes);
void network_forget(struct world *world, struct link *link, unsigned auction);
bool network_send_batch(struct world *world, struct link *link,
                        const struct outbox_batch *batch);
void network_send_ack(struct world *world, struct link *link, uint64_t id, enum ack_code code);

/* gateway_node.c */
void gateway_start(struct world *world, unsigned gateway);
void gateway_stop(struct world *world, unsigned gateway, bool bye); /* bye: else it crashed */
void gateway_step(struct world *world, unsigned gateway);
void gateway_take(struct world *world, unsigned gateway, const struct message *message);
void gateway_asked(struct world *world, unsigned gateway, const struct subscription *ask);
void gateway_connected(struct world *world, unsigned gateway, struct link *link);
void gateway_join(struct world *world, unsigned gateway, unsigned auction);
void gateway_leave(struct world *world, unsigned gateway, unsigned viewer);
uint64_t gateway_viewers(const struct world *world, unsigned gateway, unsigned auction);

/* sampler_node.c */
void sampler_start(struct world *world, unsigned sampler);
void sampler_stop(struct world *world, unsigned sampler, bool bye);
void sampler_step(struct world *world, unsigned sampler);
void sampler_take(struct world *world, unsigned sampler, const struct message *message);
void sampler_asked(struct world *world, unsigned sampler, const struct subscription *ask);
void sampler_connected(struct world *world, unsigned sampler, struct link *link);
void sampler_acknowledged(struct world *world, unsigned sampler, const struct parcel *parcel);

/* api_node.c */
void api_start(struct world *world, unsigned api);
void api_stop(struct world *world, unsigned api);
void api_step(struct world *world, unsigned api);
void api_take(struct world *world, unsigned api, const struct message *message);
void api_connected(struct world *world, unsigned api, struct link *link);

/* store_node.c */
void store_take(struct world *world, unsigned store, struct link *link,
                const struct parcel *parcel);

/* referee.c: what must always hold, and what must hold once it is quiet. */
void referee_snapshot(struct world *world, unsigned sampler, const struct snapshot *snapshot);
void referee_change(struct world *world, unsigned sampler, const char *auction, uint64_t count);
void referee_step(struct world *world); /* nobody counts the dead; whose windows are owed */
/* Counts are exact, everywhere. (Where a subscription was lost an api may need longer.) */
void referee_quiet(struct world *world, bool last);
void referee_end(struct world *world); /* the database has what it must */

/* schedule.c: one schedule from its seed. False, with the failure in the world, when something
 * did not hold. */
bool schedule_run(struct world *world, uint64_t seed, bool tell);

#endif
