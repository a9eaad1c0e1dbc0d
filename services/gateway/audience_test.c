/* The audience: each rule by hand, then joins, leaves, forgetting and sweeps at random against
 * a model that only keeps numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "chance.h"
#include "mem.h"

#include "audience.h"
#include "auction.h"

#define AUCTIONS 30
#define VIEWERS 200
#define STEPS 200000
#define MINUTE_MS 60000

static void
counts_joins_and_leaves(void **state)
{
    (void)state;
    struct audience *audience = audience_new(1, 10);
    struct viewer a = {0}, b = {0};
    struct auction *auction = audience_join(audience, "lot-1", &a);
    assert_ptr_equal(audience_join(audience, "lot-1", &b), auction);
    assert_int_equal(auction->joins, 2);
    assert_int_equal(auction_viewers(auction), 2);
    assert_ptr_equal(audience_leave(audience, &a, 0), auction);
    assert_null(audience_leave(audience, &a, 0));
    assert_int_equal(auction->leaves, 1);
    assert_int_equal(audience_viewers(audience), 1);
    auction->follow.others = 5;
    assert_int_equal(auction_count(auction), 6);
    audience_leave(audience, &b, 0);
    audience_destroy(&audience);
    assert_null(audience);
}

static void
forgotten_auction_never_counts_down(void **state)
{
    (void)state;
    struct audience *audience = audience_new(1, 10);
    struct viewer viewer = {0};
    for (int i = 0; i < 3; i++) {
        audience_join(audience, "lot-1", &viewer);
        audience_leave(audience, &viewer, 1000);
    }
    assert_null(audience_forgettable(audience, 1000 + MINUTE_MS - 1));
    audience_forget(audience, audience_forgettable(audience, 1000 + MINUTE_MS));
    assert_null(audience_find(audience, "lot-1"));
    assert_int_equal(audience_auctions(audience), 0);
    struct auction *again = audience_join(audience, "lot-1", &viewer);
    assert_int_equal(again->joins, 4);
    assert_int_equal(again->leaves, 3);
    audience_leave(audience, &viewer, 0);
    audience_destroy(&audience);
}

static void
rejoined_auction_is_not_forgotten(void **state)
{
    (void)state;
    struct audience *audience = audience_new(1, 10);
    struct viewer viewer = {0};
    audience_join(audience, "lot-1", &viewer);
    audience_leave(audience, &viewer, 0);
    audience_join(audience, "lot-1", &viewer);
    assert_null(audience_forgettable(audience, 10 * MINUTE_MS));
    audience_leave(audience, &viewer, 0);
    audience_destroy(&audience);
}

static void
too_many_auctions_are_refused(void **state)
{
    (void)state;
    struct audience *audience = audience_new(1, 2);
    struct viewer a = {0}, b = {0}, c = {0};
    assert_non_null(audience_join(audience, "a", &a));
    assert_non_null(audience_join(audience, "b", &b));
    assert_null(audience_join(audience, "c", &c));
    assert_null(c.auction);
    assert_non_null(audience_join(audience, "a", &c));
    audience_leave(audience, &a, 0);
    audience_leave(audience, &b, 0);
    audience_leave(audience, &c, 0);
    audience_destroy(&audience);
}

struct visits {
    struct audience *audience;
    struct viewer *leaving; /* leaves when it is visited */
    unsigned count;
};

static void
note_visit(void *arg, struct viewer *viewer)
{
    struct visits *visits = arg;
    visits->count++;
    if (viewer == visits->leaving)
        audience_leave(visits->audience, viewer, 0);
}

static void
sweeps_in_slices(void **state)
{
    (void)state;
    struct audience *audience = audience_new(1, 10);
    struct viewer viewers[10] = {0}, late = {0};
    struct auction *auction = NULL;
    for (int i = 0; i < 10; i++)
        auction = audience_join(audience, "lot-1", &viewers[i]);
    struct visits visits = {.audience = audience, .leaving = &viewers[9]};
    assert_false(audience_sweep(auction, 4, note_visit, &visits)); /* 9 8 7 6 */
    assert_int_equal(visits.count, 4);
    audience_join(audience, "lot-1", &late);  /* knows the newest count: not visited */
    audience_leave(audience, &viewers[5], 0); /* the next to be visited */
    audience_leave(audience, &viewers[8], 0); /* was visited */
    assert_true(audience_sweep(auction, 100, note_visit, &visits));
    assert_int_equal(visits.count, 9);
    visits.count = 0;
    assert_true(audience_sweep(auction, 100, note_visit, &visits));
    assert_int_equal(visits.count, 8);
    audience_leave(audience, &late, 0);
    for (int i = 0; i < 10; i++)
        audience_leave(audience, &viewers[i], 0);
    assert_true(audience_sweep(auction, 100, note_visit, &visits));
    audience_destroy(&audience);
}

/* What the audience must say, kept as plainly as possible. */
struct model {
    struct audience *audience;
    struct viewer viewers[VIEWERS];
    int place[VIEWERS];                         /* a viewer's auction; -1: none */
    uint64_t here[AUCTIONS];                    /* an auction's viewers */
    uint64_t joins[AUCTIONS], leaves[AUCTIONS]; /* the greatest said so far */
    int64_t now_ms;
};

static const char *
name_auction(int i)
{
    static char name[16];
    snprintf(name, sizeof name, "lot-%d", i);
    return name;
}

static void
check_auction(struct model *model, int i)
{
    struct auction *auction = audience_find(model->audience, name_auction(i));
    if (!auction) {
        assert_int_equal(model->here[i], 0);
        return;
    }
    assert_int_equal(auction_viewers(auction), model->here[i]);
    assert_true(auction->joins >= model->joins[i] && auction->leaves >= model->leaves[i]);
    model->joins[i] = auction->joins;
    model->leaves[i] = auction->leaves;
    uint64_t listed = 0;
    struct viewer *viewer;
    TAILQ_FOREACH(viewer, &auction->viewers, in_auction)
    listed++;
    assert_int_equal(listed, model->here[i]);
}

static void
step(struct model *model, struct chance *chance)
{
    size_t v = chance_below(chance, VIEWERS);
    int i = (int)chance_below(chance, AUCTIONS);
    model->now_ms += (int64_t)chance_below(chance, 400);
    struct auction *old;
    while ((old = audience_forgettable(model->audience, model->now_ms)))
        audience_forget(model->audience, old);
    if (model->place[v] >= 0) {
        i = model->place[v];
        audience_leave(model->audience, &model->viewers[v], model->now_ms);
        model->place[v] = -1;
        model->here[i]--;
    } else if (i % 8 == 0 ? chance_below(chance, 500) == 0 : true) { /* some are mostly idle */
        audience_join(model->audience, name_auction(i), &model->viewers[v]);
        model->place[v] = i;
        model->here[i]++;
    }
    check_auction(model, i);
}

static void
agrees_with_a_model(void **state)
{
    (void)state;
    struct chance chance = {chance_seed("audience")};
    struct model model = {.audience =
                              audience_new(chance_below(&chance, UINT64_MAX), AUCTIONS)};
    for (int v = 0; v < VIEWERS; v++)
        model.place[v] = -1;
    for (int i = 0; i < STEPS; i++)
        step(&model, &chance);
    uint64_t viewers = 0, listed = 0;
    for (int i = 0; i < AUCTIONS; i++) {
        check_auction(&model, i);
        viewers += model.here[i];
    }
    assert_int_equal(audience_viewers(model.audience), viewers);
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++) {
        for (struct auction *a = audience_first(model.audience, shard); a;
             a = audience_next(a)) {
            assert_int_equal(auction_shard(a->id), shard);
            listed++;
        }
    }
    assert_int_equal(listed, audience_auctions(model.audience));
    for (int v = 0; v < VIEWERS; v++)
        audience_leave(model.audience, &model.viewers[v], 0);
    audience_destroy(&model.audience);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_joins_and_leaves),
        cmocka_unit_test(forgotten_auction_never_counts_down),
        cmocka_unit_test(rejoined_auction_is_not_forgotten),
        cmocka_unit_test(too_many_auctions_are_refused),
        cmocka_unit_test(sweeps_in_slices),
        cmocka_unit_test(agrees_with_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
