/* The roster: each rule by hand, then gateways at random over a bus that loses and doubles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "mem.h"

#include "chance.h"
#include "roster.h"

#define TIMEOUT_MS 3000
#define SETTLE_MS 1250
#define AUCTIONS 40

/* What the changes told add up to, auction by auction, and how often each news came. */
struct ledger {
    int64_t count[AUCTIONS], joins[AUCTIONS], leaves[AUCTIONS];
    int news[READER_LEFT + 1];
};

static const char *
name_auction(int i)
{
    static char names[AUCTIONS][8];
    snprintf(names[i], sizeof names[i], "lot-%d", i);
    return names[i];
}

static void
note_change(void *arg, const struct tally_change *change)
{
    struct ledger *ledger = arg;
    int i = atoi(change->auction + strlen("lot-"));
    assert_true(change->joins || change->leaves);
    ledger->count[i] += (int64_t)change->joins - (int64_t)change->leaves;
    ledger->joins[i] += (int64_t)change->joins;
    ledger->leaves[i] += (int64_t)change->leaves;
    assert_int_equal(ledger->count[i], change->count);
    assert_in_range(change->count, 0, ROSTER_VIEWERS_MAX);
}

static void
note_news(void *arg, const char *node, enum reader_news news)
{
    struct ledger *ledger = arg;
    assert_true(*node);
    ledger->news[news]++;
}

/* The shard to be renewed next, whoever is asked, or -1. */
static int
next_renewal(struct roster *roster, int64_t mono_ms)
{
    struct reader_renewal renewal;
    return roster_renewal(roster, mono_ms, &renewal) ? (int)renewal.shard : -1;
}

static struct roster *
make_roster(struct ledger *ledger, int64_t mono_ms)
{
    struct roster_options options = {.node_timeout_ms = TIMEOUT_MS,
                                     .settle_ms = SETTLE_MS,
                                     .change = note_change,
                                     .news = note_news,
                                     .change_arg = ledger,
                                     .news_arg = ledger};
    return roster_new(&options, mono_ms);
}

static struct message
make_event(const char *node, int64_t epoch_ms, enum change_kind change, int auction,
           uint64_t sequence, uint64_t joins, uint64_t leaves)
{
    struct message message = {.kind = MESSAGE_EVENT,
                              .role = NODE_GATEWAY,
                              .epoch_ms = epoch_ms,
                              .sequence = sequence,
                              .change = change,
                              .joins = joins,
                              .leaves = leaves};
    strcpy(message.node, node);
    message.shard = auction_shard(name_auction(auction));
    if (change != CHANGE_BEGIN && change != CHANGE_END)
        strcpy(message.auction, name_auction(auction));
    if (change == CHANGE_END) /* joins: how many states, all of this auction */
        message.joins *= auction_check(name_auction(auction));
    return message;
}

static struct message
make_heartbeat(const char *node, int64_t epoch_ms, int auction, uint64_t sequence)
{
    struct message message = {.kind = MESSAGE_HEARTBEAT,
                              .role = NODE_GATEWAY,
                              .epoch_ms = epoch_ms,
                              .state = NODE_READY};
    strcpy(message.node, node);
    message.sequences[auction_shard(name_auction(auction))] = sequence;
    return message;
}

static struct message
make_bye(const char *node, int64_t epoch_ms)
{
    struct message message = {.kind = MESSAGE_BYE, .role = NODE_GATEWAY, .epoch_ms = epoch_ms};
    strcpy(message.node, node);
    return message;
}

static void
take(struct roster *roster, struct message message, int64_t mono_ms)
{
    assert_int_equal(roster_take(roster, &message, mono_ms), ROSTER_TAKEN);
}

/* Ticks as often as a living process would. */
static void
tick_until(struct roster *roster, int64_t *mono_ms, int64_t until_ms)
{
    for (; *mono_ms <= until_ms; *mono_ms += 100)
        roster_tick(roster, *mono_ms);
}

static void
test_two_gateways(void **state)
{
    struct ledger ledger = {0};
    struct roster *roster = make_roster(&ledger, 0);
    (void)state;
    take(roster, make_event("a", 10, CHANGE_JOIN, 1, 1, 1, 0), 0);
    take(roster, make_event("b", 20, CHANGE_JOIN, 1, 1, 1, 0), 0);
    take(roster, make_event("b", 20, CHANGE_JOIN, 1, 2, 2, 0), 0);
    take(roster, make_event("b", 20, CHANGE_LEAVE, 1, 3, 2, 1), 0);
    assert_int_equal(tally_count(roster_tally(roster), "lot-1"), 2);
    assert_int_equal(tally_count(roster_tally(roster), "lot-2"), 0);
    assert_int_equal(tally_total(roster_tally(roster)), 2);
    assert_int_equal(ledger.joins[1], 3);
    assert_int_equal(ledger.leaves[1], 1);
    roster_destroy(&roster);
    roster_destroy(&roster);
}

static void
test_repeats_and_gaps(void **state)
{
    struct ledger ledger = {0};
    struct roster *roster = make_roster(&ledger, 0);
    (void)state;
    take(roster, make_event("a", 10, CHANGE_JOIN, 1, 1, 1, 0), 0);
    take(roster, make_heartbeat("a", 10, 1, 1), 0);
    take(roster, make_event("a", 10, CHANGE_JOIN, 1, 1, 1, 0), 0);
    assert_int_equal(tally_count(roster_tally(roster), "lot-1"), 1);
    assert_false(roster_troubled(roster));
    take(roster, make_event("a", 10, CHANGE_LEAVE, 1, 9, 6, 3), 1000); /* 2 to 8 were lost */
    assert_int_equal(tally_count(roster_tally(roster), "lot-1"), 3);
    assert_int_equal(ledger.joins[1], 6);
    assert_int_equal(ledger.leaves[1], 3);
    assert_true(roster_troubled(roster));
    assert_int_equal(roster_gaps(roster), 1);
    take(roster, make_event("a", 10, CHANGE_JOIN, 1, 4, 4, 0), 1000); /* comes late */
    assert_int_equal(tally_count(roster_tally(roster), "lot-1"), 3);
    assert_int_equal(next_renewal(roster, 1000), auction_shard("lot-1"));
    assert_int_equal(next_renewal(roster, 1000), -1);
    take(roster, make_event("a", 10, CHANGE_BEGIN, 1, 9, 0, 0), 1100);
    take(roster, make_event("a", 10, CHANGE_STATE, 1, 9, 6, 3), 1100);
    take(roster, make_event("a", 10, CHANGE_END, 1, 9, 1, 0), 1100);
    assert_false(roster_troubled(roster));
    take(roster, make_event("a", 10, CHANGE_JOIN, 1, 12, 8, 3), 1200);
    assert_int_equal(next_renewal(roster, 1900), -1); /* once a second */
    assert_int_equal(next_renewal(roster, 2000), auction_shard("lot-1"));
    roster_destroy(&roster);
}

/* An auction that nobody names between begin and end has no viewers left. */
static void
test_sweep(void **state)
{
    struct ledger ledger = {0};
    struct roster *roster = make_roster(&ledger, 0);
    (void)state;
    take(roster, make_event("a", 10, CHANGE_JOIN, 1, 1, 1, 0), 0);
    take(roster, make_event("b", 10, CHANGE_JOIN, 1, 1, 1, 0), 0);
    take(roster, make_event("a", 10, CHANGE_BEGIN, 1, 2, 0, 0), 0);
    take(roster, make_event("a", 10, CHANGE_END, 1, 2, 0, 0), 0);
    assert_int_equal(tally_count(roster_tally(roster), "lot-1"), 1); /* b's */
    assert_int_equal(ledger.leaves[1], 1);
    roster_destroy(&roster);
}

static void
test_restart(void **state)
{
    struct ledger ledger = {0};
    struct roster *roster = make_roster(&ledger, 0);
    struct message old = make_event("a", 10, CHANGE_JOIN, 1, 6, 6, 0);
    (void)state;
    take(roster, make_event("a", 10, CHANGE_JOIN, 1, 5, 5, 0), 0);
    take(roster, make_event("a", 10, CHANGE_JOIN, 2, 1, 1, 0), 0);
    take(roster, make_event("a", 11, CHANGE_JOIN, 1, 1, 1, 0), 0);
    assert_int_equal(tally_count(roster_tally(roster), "lot-1"), 1);
    assert_int_equal(tally_count(roster_tally(roster), "lot-2"), 0);
    assert_int_equal(ledger.leaves[1], 5);
    assert_int_equal(roster_take(roster, &old, 0), ROSTER_OLD);
    assert_int_equal(tally_count(roster_tally(roster), "lot-1"), 1);
    take(roster, make_heartbeat("a", 12, 1, 0), 0); /* a heartbeat tells of it as well */
    assert_int_equal(ledger.news[READER_FOUND], 1);
    assert_int_equal(ledger.news[READER_RESTARTED], 2);
    assert_int_equal(tally_total(roster_tally(roster)), 0);
    roster_destroy(&roster);
}

static void
test_silence_and_return(void **state)
{
    struct ledger ledger = {0};
    struct roster *roster = make_roster(&ledger, 0);
    int64_t mono_ms = 0;
    (void)state;
    take(roster, make_event("a", 10, CHANGE_JOIN, 1, 1, 4, 0), 0);
    take(roster, make_heartbeat("a", 10, 1, 1), 0);
    tick_until(roster, &mono_ms, 1500);
    assert_false(roster_troubled(roster));
    tick_until(roster, &mono_ms, 1600);
    assert_true(roster_troubled(roster)); /* its heartbeat is overdue */
    tick_until(roster, &mono_ms, 3000);
    assert_int_equal(tally_count(roster_tally(roster), "lot-1"), 4);
    tick_until(roster, &mono_ms, 3100);
    assert_int_equal(tally_count(roster_tally(roster), "lot-1"), 0);
    assert_int_equal(roster_nodes(roster), 0);
    assert_int_equal(ledger.news[READER_LOST], 1);
    assert_int_equal(ledger.leaves[1], 4);
    assert_false(roster_troubled(roster)); /* nobody is known any more */
    take(roster, make_heartbeat("a", 10, 1, 1), 5000);
    assert_true(roster_troubled(roster));             /* its shard is not told yet */
    assert_int_equal(next_renewal(roster, 5000), -1); /* it may do so unasked */
    take(roster, make_heartbeat("a", 10, 1, 1), 6000);
    assert_int_equal(next_renewal(roster, 6000), auction_shard("lot-1"));
    take(roster, make_event("a", 10, CHANGE_BEGIN, 1, 1, 0, 0), 6000);
    take(roster, make_event("a", 10, CHANGE_STATE, 1, 1, 4, 0), 6000);
    take(roster, make_event("a", 10, CHANGE_END, 1, 1, 1, 0), 6000);
    assert_int_equal(tally_count(roster_tally(roster), "lot-1"), 4);
    assert_int_equal(ledger.joins[1], 8);
    assert_false(roster_troubled(roster));
    roster_destroy(&roster);
}

/* A smaller epoch keeps nobody alive: a clock set back before a restart heals in a time-out. */
static void
test_older_run_is_not_heard(void **state)
{
    struct ledger ledger = {0};
    struct roster *roster = make_roster(&ledger, 0);
    struct message older = make_event("a", 9, CHANGE_JOIN, 2, 1, 1, 0);
    int64_t mono_ms = 0;
    (void)state;
    take(roster, make_event("a", 10, CHANGE_JOIN, 1, 1, 1, 0), 0);
    for (int i = 0; i < 32; i++) {
        roster_take(roster, &older, mono_ms);
        tick_until(roster, &mono_ms, mono_ms);
    }
    take(roster, older, mono_ms);
    assert_int_equal(tally_count(roster_tally(roster), "lot-1"), 0);
    assert_int_equal(tally_count(roster_tally(roster), "lot-2"), 1);
    roster_destroy(&roster);
}

static void
test_bye(void **state)
{
    struct ledger ledger = {0};
    struct roster *roster = make_roster(&ledger, 0);
    struct message old = make_bye("a", 9);
    (void)state;
    take(roster, make_event("a", 10, CHANGE_JOIN, 1, 1, 1, 0), 0);
    assert_int_equal(roster_take(roster, &old, 0), ROSTER_OLD);
    assert_int_equal(tally_count(roster_tally(roster), "lot-1"), 1);
    take(roster, make_bye("a", 10), 0);
    take(roster, make_bye("nobody", 10), 0);
    assert_int_equal(tally_count(roster_tally(roster), "lot-1"), 0);
    assert_int_equal(roster_nodes(roster), 0);
    assert_int_equal(ledger.news[READER_LOST], 0);
    assert_int_equal(ledger.news[READER_LEFT], 1);
    assert_false(roster_troubled(roster));
    roster_destroy(&roster);
}

/* A process that was paused blames nobody for what it did not hear. */
static void
test_own_deafness(void **state)
{
    struct ledger ledger = {0};
    struct roster *roster = make_roster(&ledger, 0);
    int64_t mono_ms = 0;
    (void)state;
    take(roster, make_event("a", 10, CHANGE_JOIN, 1, 1, 1, 0), 0);
    tick_until(roster, &mono_ms, 500);
    mono_ms += 20000;
    roster_tick(roster, mono_ms);
    assert_int_equal(tally_count(roster_tally(roster), "lot-1"), 1);
    tick_until(roster, &mono_ms, mono_ms + TIMEOUT_MS + 100);
    assert_int_equal(tally_count(roster_tally(roster), "lot-1"), 0);
    roster_destroy(&roster);
}

static void
test_warm_up(void **state)
{
    struct ledger ledger = {0};
    struct roster *roster = make_roster(&ledger, 0);
    int64_t mono_ms = 0;
    (void)state;
    tick_until(roster, &mono_ms, 900);
    take(roster, make_heartbeat("a", 10, 1, 7), 1000);
    tick_until(roster, &mono_ms, 1800);
    assert_false(roster_ready(roster)); /* its shard is not told yet */
    take(roster, make_event("a", 10, CHANGE_BEGIN, 1, 7, 0, 0), 1900);
    take(roster, make_event("a", 10, CHANGE_STATE, 1, 7, 3, 0), 1900);
    tick_until(roster, &mono_ms, 1900);
    assert_false(roster_ready(roster));
    take(roster, make_event("a", 10, CHANGE_END, 1, 7, 1, 0), 2000);
    tick_until(roster, &mono_ms, 2000);
    assert_true(roster_ready(roster));
    roster_destroy(&roster);
    ledger = (struct ledger){0};

    roster = make_roster(&ledger, mono_ms = 0); /* a heartbeat must tell what there is */
    take(roster, make_event("a", 10, CHANGE_JOIN, 1, 1, 1, 0), 0);
    tick_until(roster, &mono_ms, 2000);
    assert_false(roster_ready(roster));
    take(roster, make_heartbeat("a", 10, 1, 1), 2000);
    tick_until(roster, &mono_ms, 2100);
    assert_true(roster_ready(roster));
    roster_destroy(&roster);
    ledger = (struct ledger){0};

    roster = make_roster(&ledger, mono_ms = 0); /* everything is told at once */
    take(roster, make_heartbeat("a", 10, 1, 0), 0);
    tick_until(roster, &mono_ms, SETTLE_MS - 100);
    assert_false(roster_ready(roster));
    tick_until(roster, &mono_ms, SETTLE_MS + 50);
    assert_true(roster_ready(roster));
    roster_destroy(&roster);
    ledger = (struct ledger){0};

    roster = make_roster(&ledger, mono_ms = 0); /* nobody is there */
    tick_until(roster, &mono_ms, TIMEOUT_MS - 100);
    assert_false(roster_ready(roster));
    tick_until(roster, &mono_ms, TIMEOUT_MS);
    assert_true(roster_ready(roster));
    roster_destroy(&roster);
    ledger = (struct ledger){0};

    roster = make_roster(&ledger, mono_ms = 0); /* somebody never tells */
    for (int i = 0; i < 9; i++) {
        assert_false(roster_ready(roster));
        take(roster, make_heartbeat("a", 10, 1, 7), mono_ms);
        tick_until(roster, &mono_ms, mono_ms + 1000);
    }
    assert_true(roster_ready(roster));
    assert_true(roster_troubled(roster));
    roster_destroy(&roster);
}

/* Empty auctions are forgotten, and come back with counters that went on. */
static void
test_forgetting(void **state)
{
    struct ledger ledger = {0};
    struct roster *roster = make_roster(&ledger, 0);
    (void)state;
    uint64_t sequence = 0;
    for (int i = 0; i < AUCTIONS; i++) {
        take(roster, make_event("a", 10 + i, CHANGE_JOIN, i, 1, 1, 0), 0);
        take(roster, make_event("a", 10 + i, CHANGE_LEAVE, i, 2, 1, 1), 0);
    }
    assert_int_equal(tally_auctions(roster_tally(roster)),
                     1); /* the restarts dropped the others */
    take(roster, make_event("b", 10, CHANGE_JOIN, 3, ++sequence, 50, 49), 0);
    take(roster, make_event("b", 10, CHANGE_LEAVE, 3, ++sequence, 50, 50), 0);
    take(roster, make_event("b", 10, CHANGE_STATE, 4, 0, 50, 50), 0); /* not worth keeping */
    assert_int_equal(tally_auctions(roster_tally(roster)), 2);
    for (int64_t mono_ms = 0; mono_ms <= TALLY_FORGET_MS; mono_ms += 500) {
        take(roster, make_heartbeat("b", 10, 3, sequence), mono_ms);
        roster_tick(roster, mono_ms);
    }
    assert_int_equal(tally_auctions(roster_tally(roster)), 0);
    int64_t joins = ledger.joins[3];
    take(roster, make_event("b", 10, CHANGE_JOIN, 3, ++sequence, 91, 90), TALLY_FORGET_MS);
    assert_int_equal(tally_count(roster_tally(roster), "lot-3"), 1);
    assert_int_equal(ledger.joins[3], joins + 1);
    roster_destroy(&roster);
}

static void
test_refused(void **state)
{
    struct ledger ledger = {0};
    struct roster *roster = make_roster(&ledger, 0);
    char node[NODE_BYTES];
    struct message message = make_event("a", 10, CHANGE_JOIN, 1, 1, 2000000000, 1);
    (void)state;
    assert_int_equal(roster_take(roster, &message, 0), ROSTER_RANGE);
    message = make_event("a", 10, CHANGE_JOIN, 1, 1, 1, 2);
    assert_int_equal(roster_take(roster, &message, 0), ROSTER_RANGE);
    message = make_heartbeat("s", 10, 1, 1);
    message.role = NODE_SAMPLER;
    assert_int_equal(roster_take(roster, &message, 0), ROSTER_FOREIGN);
    message.kind = MESSAGE_COUNT;
    assert_int_equal(roster_take(roster, &message, 0), ROSTER_FOREIGN);
    for (int i = 0; i < ROSTER_NODES_MAX; i++) {
        snprintf(node, sizeof node, "n%d", i);
        take(roster, make_heartbeat(node, 10, 1, 0), 0);
    }
    message = make_heartbeat("one-too-many", 10, 1, 0);
    assert_int_equal(roster_take(roster, &message, 0), ROSTER_FULL);
    roster_destroy(&roster);
}

/* Gateways that live, die and are cut off, over a bus that loses and doubles. */
#define GATEWAYS 4

struct gateway {
    char id[8];
    bool alive;
    bool cut; /* nothing of it arrives */
    int64_t epoch_ms;
    uint64_t joins[AUCTIONS], leaves[AUCTIONS];
    uint64_t sequences[SHARD_COUNT];
    int64_t beat_ms;
};

struct bus {
    struct gateway gateways[GATEWAYS];
    struct roster *roster;
    struct chance chance;
    unsigned loss, doubling; /* per cent */
    int64_t mono_ms;
};

static void
deliver(struct bus *bus, const struct gateway *gateway, const struct message *message)
{
    if (gateway->cut || chance_percent(&bus->chance, bus->loss))
        return;
    roster_take(bus->roster, message, bus->mono_ms);
    if (chance_percent(&bus->chance, bus->doubling))
        roster_take(bus->roster, message, bus->mono_ms);
}

static void
say_event(struct bus *bus, struct gateway *gateway, enum change_kind change, int auction,
          uint64_t joins, uint64_t leaves)
{
    unsigned shard = auction_shard(name_auction(auction));
    struct message message = make_event(gateway->id, gateway->epoch_ms, change, auction,
                                        gateway->sequences[shard], joins, leaves);
    deliver(bus, gateway, &message);
}

static void
say_end(struct bus *bus, struct gateway *gateway, int auction, uint64_t check)
{
    unsigned shard = auction_shard(name_auction(auction));
    struct message message = make_event(gateway->id, gateway->epoch_ms, CHANGE_END, auction,
                                        gateway->sequences[shard], 0, 0);
    message.joins = check;
    deliver(bus, gateway, &message);
}

static void
say_heartbeat(struct bus *bus, struct gateway *gateway)
{
    struct message message = make_heartbeat(gateway->id, gateway->epoch_ms, 0, 0);
    memcpy(message.sequences, gateway->sequences, sizeof message.sequences);
    deliver(bus, gateway, &message);
    gateway->beat_ms = bus->mono_ms + 1000;
}

/* The state of a shard, in answer to a subscription. */
static void
say_shard(struct bus *bus, struct gateway *gateway, unsigned shard)
{
    int named = -1;
    uint64_t check = 0;
    for (int i = 0; i < AUCTIONS; i++) {
        if (auction_shard(name_auction(i)) != shard)
            continue;
        if (named < 0)
            say_event(bus, gateway, CHANGE_BEGIN, i, 0, 0);
        named = i;
        if (gateway->joins[i] == gateway->leaves[i])
            continue;
        say_event(bus, gateway, CHANGE_STATE, i, gateway->joins[i], gateway->leaves[i]);
        check += auction_check(name_auction(i));
    }
    if (named >= 0)
        say_end(bus, gateway, named, check);
}

static void
move_viewer(struct bus *bus, struct gateway *gateway)
{
    int i = (int)chance_below(&bus->chance, AUCTIONS);
    bool leave = gateway->joins[i] > gateway->leaves[i] && chance_percent(&bus->chance, 48);
    gateway->joins[i] += !leave;
    gateway->leaves[i] += leave;
    gateway->sequences[auction_shard(name_auction(i))]++;
    say_event(bus, gateway, leave ? CHANGE_LEAVE : CHANGE_JOIN, i, gateway->joins[i],
              gateway->leaves[i]);
}

static void
start_gateway(struct bus *bus, struct gateway *gateway)
{
    memset(gateway->joins, 0, sizeof gateway->joins);
    memset(gateway->leaves, 0, sizeof gateway->leaves);
    memset(gateway->sequences, 0, sizeof gateway->sequences);
    gateway->alive = true;
    gateway->epoch_ms++;
    gateway->beat_ms = bus->mono_ms;
}

static void
meddle(struct bus *bus, struct gateway *gateway)
{
    unsigned what = (unsigned)chance_below(&bus->chance, 1000);
    if (what < 3) { /* killed, and perhaps back at once */
        gateway->alive = false;
        if (chance_percent(&bus->chance, 50))
            start_gateway(bus, gateway);
    } else if (what < 6 && gateway->alive) {
        struct message bye = make_bye(gateway->id, gateway->epoch_ms);
        deliver(bus, gateway, &bye);
        gateway->alive = false;
    } else if (what < 9) {
        gateway->cut = !gateway->cut;
    } else if (what < 30 && !gateway->alive) {
        start_gateway(bus, gateway);
    }
}

static void
live_on(struct bus *bus, int64_t ms, bool chaos)
{
    for (int64_t end_ms = bus->mono_ms + ms; bus->mono_ms < end_ms; bus->mono_ms += 10) {
        for (int i = 0; i < GATEWAYS; i++) {
            struct gateway *gateway = &bus->gateways[i];
            if (chaos)
                meddle(bus, gateway);
            if (gateway->alive && chance_percent(&bus->chance, 40))
                move_viewer(bus, gateway);
            if (gateway->alive && bus->mono_ms >= gateway->beat_ms)
                say_heartbeat(bus, gateway);
        }
        if (bus->mono_ms % 100)
            continue;
        int shard;
        roster_tick(bus->roster, bus->mono_ms);
        while ((shard = next_renewal(bus->roster, bus->mono_ms)) >= 0) {
            for (int i = 0; i < GATEWAYS; i++) {
                bool asked = !chance_percent(&bus->chance, bus->loss);
                if (asked && bus->gateways[i].alive && !bus->gateways[i].cut)
                    say_shard(bus, &bus->gateways[i], (unsigned)shard);
            }
        }
    }
}

static void
compare_with_truth(const struct bus *bus)
{
    uint64_t total = 0;
    for (int i = 0; i < AUCTIONS; i++) {
        uint64_t truth = 0;
        for (int g = 0; g < GATEWAYS; g++) {
            const struct gateway *gateway = &bus->gateways[g];
            if (gateway->alive)
                truth += gateway->joins[i] - gateway->leaves[i];
        }
        assert_int_equal(tally_count(roster_tally(bus->roster), name_auction(i)), truth);
        total += truth;
    }
    assert_int_equal(tally_total(roster_tally(bus->roster)), total);
    assert_false(roster_troubled(bus->roster));
}

static void
test_random_gateways(void **state)
{
    uint64_t seed = chance_seed("roster");
    unsigned runs = (unsigned)chance_steps(60);
    (void)state;
    for (unsigned run = 0; run < runs; run++) {
        struct ledger ledger = {0};
        struct bus *bus = mem_alloc(sizeof *bus);
        bus->chance.state = seed + run;
        bus->mono_ms = 50000;
        bus->roster = make_roster(&ledger, bus->mono_ms);
        for (int i = 0; i < GATEWAYS; i++) {
            snprintf(bus->gateways[i].id, sizeof bus->gateways[i].id, "gw%d", i);
            start_gateway(bus, &bus->gateways[i]);
        }
        for (int round = 0; round < 4; round++) {
            bus->loss = (unsigned)chance_below(&bus->chance, 30);
            bus->doubling = (unsigned)chance_below(&bus->chance, 30);
            live_on(bus, 8000, true);
            bus->loss = bus->doubling = 0;
            for (int i = 0; i < GATEWAYS; i++)
                bus->gateways[i].cut = false;
            live_on(bus, 5000, false); /* healed within 5 s, with viewers coming and going */
            compare_with_truth(bus);
            for (int i = 0; i < AUCTIONS; i++)
                assert_int_equal(ledger.count[i],
                                 tally_count(roster_tally(bus->roster), name_auction(i)));
        }
        roster_destroy(&bus->roster);
        free(bus);
    }
}

/* Without loss and restarts every join and leave is told, and nothing else. */
static void
test_exact_joins(void **state)
{
    struct ledger ledger = {0};
    struct bus *bus = mem_alloc(sizeof *bus);
    (void)state;
    bus->chance.state = chance_seed("roster, exact");
    bus->roster = make_roster(&ledger, 0);
    for (int i = 0; i < GATEWAYS; i++) {
        snprintf(bus->gateways[i].id, sizeof bus->gateways[i].id, "gw%d", i);
        start_gateway(bus, &bus->gateways[i]);
    }
    live_on(bus, 30000, false);
    for (int i = 0; i < AUCTIONS; i++) {
        uint64_t joins = 0, leaves = 0;
        for (int g = 0; g < GATEWAYS; g++) {
            joins += bus->gateways[g].joins[i];
            leaves += bus->gateways[g].leaves[i];
        }
        assert_int_equal(ledger.joins[i], joins);
        assert_int_equal(ledger.leaves[i], leaves);
    }
    assert_int_equal(roster_gaps(bus->roster), 0);
    roster_destroy(&bus->roster);
    free(bus);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_gateways),
        cmocka_unit_test(test_repeats_and_gaps),
        cmocka_unit_test(test_sweep),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_silence_and_return),
        cmocka_unit_test(test_older_run_is_not_heard),
        cmocka_unit_test(test_bye),
        cmocka_unit_test(test_own_deafness),
        cmocka_unit_test(test_warm_up),
        cmocka_unit_test(test_forgetting),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_random_gateways),
        cmocka_unit_test(test_exact_joins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
