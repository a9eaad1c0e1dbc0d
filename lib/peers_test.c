/* Whom to connect to: by hand, then by chance against a plain model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "mem.h"
#include "peers.h"

#define ADDRESSES 26 /* "a" to "z" */
#define NAMES 3

/* A socket that is connected to letters. */
struct fake {
    struct peers *peers;
    bool connected[ADDRESSES];
    bool refusing;
    int actions;
};

static int
act(void *arg, enum peers_action action, const char *endpoint)
{
    struct fake *fake = arg;
    bool *connected = &fake->connected[*endpoint - 'a'];
    fake->actions++;
    if (action == PEERS_CONNECT && fake->refusing)
        return -1;
    assert_int_equal(*connected, action == PEERS_DISCONNECT); /* never twice */
    *connected = !*connected;
    return 0;
}

static int
start(void **state)
{
    struct fake *fake = mem_alloc(sizeof *fake);
    fake->peers = peers_new(NAMES, 5, act, fake);
    *state = fake;
    return 0;
}

static int
stop(void **state)
{
    struct fake *fake = *state;
    int actions = fake->actions;
    peers_destroy(&fake->peers);
    assert_int_equal(fake->actions, actions);
    peers_destroy(&fake->peers);
    free(fake);
    return 0;
}

/* An answer of so many letters; how many were left out. */
static size_t
resolve(struct fake *fake, size_t name, const char *letters)
{
    char texts[ADDRESSES][2] = {{0}};
    const char *endpoints[ADDRESSES];
    size_t count = strlen(letters);
    for (size_t i = 0; i < count; i++) {
        texts[i][0] = letters[i];
        endpoints[i] = texts[i];
    }
    return peers_resolved(fake->peers, name, endpoints, count);
}

static void
expect(const struct fake *fake, const char *letters)
{
    char connected[ADDRESSES + 1] = "";
    for (size_t i = 0, count = 0; i < ADDRESSES; i++)
        if (fake->connected[i])
            connected[count++] = (char)('a' + i);
    assert_string_equal(connected, letters);
    assert_int_equal(peers_count(fake->peers), strlen(letters));
}

static void
test_an_answer_replaces_the_last(void **state)
{
    struct fake *fake = *state;
    resolve(fake, 0, "ab");
    expect(fake, "ab");
    resolve(fake, 0, "bc");
    expect(fake, "bc");
    resolve(fake, 0, "bc");
    assert_int_equal(fake->actions, 4); /* b and c were left alone */
    resolve(fake, 0, "");
    expect(fake, "");
}

static void
test_shared_addresses(void **state)
{
    struct fake *fake = *state;
    resolve(fake, 0, "aba"); /* doubled within an answer too */
    resolve(fake, 1, "bc");
    expect(fake, "abc");
    resolve(fake, 0, "a");
    expect(fake, "abc"); /* 1 names b */
    resolve(fake, 1, "c");
    expect(fake, "ac");
}

static void
test_a_connected_one_stays_until_it_ends(void **state)
{
    struct fake *fake = *state;
    resolve(fake, 0, "ab");
    peers_up(fake->peers, "a");
    assert_int_equal(peers_connected(fake->peers), 1);
    resolve(fake, 0, "b");
    expect(fake, "ab");
    resolve(fake, 0, "b");
    expect(fake, "ab");
    peers_down(fake->peers, "a");
    expect(fake, "b");
    assert_int_equal(peers_connected(fake->peers), 0);
    peers_down(fake->peers, "a"); /* late news of it */
    peers_up(fake->peers, "a");
    expect(fake, "b");
    assert_int_equal(peers_connected(fake->peers), 0);
}

static void
test_one_that_comes_back_stays(void **state)
{
    struct fake *fake = *state;
    resolve(fake, 0, "a");
    peers_up(fake->peers, "a");
    resolve(fake, 0, "b");
    resolve(fake, 0, "ab");
    peers_down(fake->peers, "a");
    expect(fake, "ab");
    peers_up(fake->peers, "a");
    peers_up(fake->peers, "a");
    assert_int_equal(peers_connected(fake->peers), 1);
    assert_int_equal(fake->actions, 2); /* never touched again */
}

static void
test_a_named_one_that_flaps_stays(void **state)
{
    struct fake *fake = *state;
    resolve(fake, 0, "a");
    for (int i = 0; i < 3; i++) {
        peers_up(fake->peers, "a");
        peers_down(fake->peers, "a");
    }
    expect(fake, "a");
    resolve(fake, 0, "");
    expect(fake, "");
    resolve(fake, 0, "a");
    expect(fake, "a");
}

/* A name that fails tells nothing, so only other names' answers change anything. */
static void
test_a_failing_name_keeps_what_it_had(void **state)
{
    struct fake *fake = *state;
    resolve(fake, 0, "ab");
    resolve(fake, 1, "b");
    peers_up(fake->peers, "a");
    peers_down(fake->peers, "a");
    resolve(fake, 1, "c");
    resolve(fake, 1, "");
    expect(fake, "ab");
}

static void
test_fixed_ones_stay(void **state)
{
    struct fake *fake = *state;
    assert_int_equal(peers_fix(fake->peers, "a"), 0);
    assert_int_equal(peers_fix(fake->peers, "a"), 0);
    resolve(fake, 0, "ab");
    resolve(fake, 0, "");
    peers_up(fake->peers, "a");
    peers_down(fake->peers, "a");
    expect(fake, "a");
}

static void
test_refusals(void **state)
{
    struct fake *fake = *state;
    fake->refusing = true;
    assert_int_equal(peers_fix(fake->peers, "a"), -1);
    assert_int_equal(resolve(fake, 0, "ab"), 0);
    expect(fake, "");
    fake->refusing = false;
    resolve(fake, 0, "ab");
    expect(fake, "ab");
    peers_up(fake->peers, "z");
    peers_down(fake->peers, "z");
    assert_int_equal(peers_connected(fake->peers), 0);
}

static void
test_no_more_than_there_is_room_for(void **state)
{
    struct fake *fake = *state;
    assert_int_equal(resolve(fake, 0, "abcdefg"), 2);
    expect(fake, "abcde");
    assert_int_equal(resolve(fake, 1, "ax"), 1);
    resolve(fake, 0, "fg"); /* makes room for the next answers */
    assert_int_equal(resolve(fake, 0, "fg"), 0);
    assert_int_equal(resolve(fake, 1, "x"), 0);
    expect(fake, "fgx");
}

/* What must hold after every step: connected is who is named, or was up when last named. */
static void
test_by_chance(void **state)
{
    struct fake *fake = *state;
    struct chance chance = {chance_seed("peers")};
    bool named[NAMES][ADDRESSES] = {{false}}, up[ADDRESSES] = {false};
    peers_destroy(&fake->peers);
    fake->peers = peers_new(NAMES, ADDRESSES, act, fake);
    for (int step = 0; step < 100000; step++) {
        char letters[ADDRESSES + 1] = "", one[2] = {(char)('a' + chance_below(&chance, 26))};
        int letter = *one - 'a';
        if (chance_percent(&chance, 30)) {
            size_t name = chance_below(&chance, NAMES), count = 0;
            for (int i = 0; i < ADDRESSES; i++) {
                named[name][i] = chance_percent(&chance, 15);
                if (named[name][i])
                    letters[count++] = (char)('a' + i);
            }
            resolve(fake, name, letters);
        } else if (fake->connected[letter]) { /* as the socket would tell */
            up[letter] = chance_percent(&chance, 50);
            (up[letter] ? peers_up : peers_down)(fake->peers, one);
        } else {
            peers_down(fake->peers, one);
        }
        size_t connected = 0;
        for (int i = 0; i < ADDRESSES; i++) {
            up[i] = up[i] && fake->connected[i];
            connected += up[i];
            assert_int_equal(fake->connected[i],
                             named[0][i] || named[1][i] || named[2][i] || up[i]);
        }
        assert_int_equal(peers_connected(fake->peers), connected);
    }
}

int
main(void)
{
#define TEST(test_) cmocka_unit_test_setup_teardown(test_, start, stop)
    const struct CMUnitTest tests[] = {TEST(test_an_answer_replaces_the_last),
                                       TEST(test_shared_addresses),
                                       TEST(test_a_connected_one_stays_until_it_ends),
                                       TEST(test_one_that_comes_back_stays),
                                       TEST(test_a_named_one_that_flaps_stays),
                                       TEST(test_a_failing_name_keeps_what_it_had),
                                       TEST(test_fixed_ones_stay),
                                       TEST(test_refusals),
                                       TEST(test_no_more_than_there_is_room_for),
                                       TEST(test_by_chance)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
