/* A folder of keys: what is read, what is refused, and who may talk to whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "bus_keys.h"

#define ROLE(role_) BUS_ROLE_BIT(BUS_##role_)

static char folder[64];
static char error[512];

static char *
place(const char *file)
{
    static char path[2][128];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, file);
    return path[turn];
}

static void
put(const char *file, const char *text, mode_t mode)
{
    FILE *out = fopen(place(file), "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
    assert_int_equal(chmod(place(file), mode), 0);
}

/* A pair in NAME.key and NAME.pub; its public key. */
static const char *
put_pair(const char *name)
{
    static char public[BUS_KEY_BYTES];
    char secret[BUS_KEY_BYTES], file[80], line[64];
    assert_int_equal(zmq_curve_keypair(public, secret), 0);
    snprintf(file, sizeof file, "%s.key", name);
    snprintf(line, sizeof line, "%s\n", secret);
    put(file, line, 0600);
    snprintf(file, sizeof file, "%s.pub", name);
    put(file, public, 0644);
    return public;
}

static int
make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/headcount-keys-XXXXXX");
    *error = 0;
    return mkdtemp(folder) ? 0 : -1;
}

static int
remove_folder(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static struct bus_keys *
read_as(enum bus_role role)
{
    return bus_keys_read(folder, role, error, sizeof error);
}

static void
expect_refused(const char *reason)
{
    struct bus_keys *keys = read_as(BUS_SAMPLER);
    assert_null(keys);
    if (!strstr(error, reason))
        fail_msg("'%s' is not in '%s'", reason, error);
    assert_non_null(strstr(error, folder));
}

static void
test_names(void **state)
{
    (void)state;
    assert_int_equal(bus_role_of("tap"), BUS_TAP);
    assert_int_equal(bus_role_of("tap-alice"), BUS_TAP);
    assert_int_equal(bus_role_of("sampler-2.b_c"), BUS_SAMPLER);
    const char *bad[] = {"", "taps", "tap-", "Tap", "alice", "tap-a/b", "tap-a b", "-tap"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(bus_role_of(bad[i]), BUS_ROLES);
}

static void
test_who_may_talk_to_whom(void **state)
{
    static const unsigned admitted[BUS_ROLES] = {
        [BUS_GATEWAY] = ROLE(SAMPLER) | ROLE(TAP),
        [BUS_SAMPLER] = ROLE(GATEWAY) | ROLE(API) | ROLE(TAP),
        [BUS_STORE] = ROLE(SAMPLER) | ROLE(API),
        [BUS_API] = 0,
        [BUS_TAP] = ROLE(GATEWAY) | ROLE(SAMPLER) | ROLE(API) | ROLE(TAP)};
    (void)state;
    for (int listener = 0; listener < BUS_ROLES; listener++)
        for (int client = 0; client < BUS_ROLES; client++)
            assert_int_equal(bus_role_admits((enum bus_role)listener, (enum bus_role)client),
                             (admitted[listener] & BUS_ROLE_BIT(client)) != 0);
}

static void
test_a_folder_is_read(void **state)
{
    char tap[BUS_KEY_BYTES], own[BUS_KEY_BYTES];
    const char *whose;
    (void)state;
    strcpy(tap, put_pair("tap-alice"));
    put_pair("gateway");
    put_pair("store");
    strcpy(own, put_pair("sampler"));
    put("README", "no key", 0644);
    put("..data", "no key", 0644);
    struct bus_keys *keys = read_as(BUS_SAMPLER);
    assert_non_null(keys);
    assert_int_equal(bus_keys_count(keys), 4);
    assert_string_equal(bus_keys_public(keys), own);
    assert_int_equal(strlen(bus_keys_secret(keys)), BUS_KEY_BYTES - 1);
    assert_int_equal(bus_keys_judge(keys, BUS_SAMPLER, tap, &whose), BUS_ADMITTED);
    assert_string_equal(whose, "tap-alice");
    assert_int_equal(bus_keys_judge(keys, BUS_STORE, tap, &whose), BUS_OTHER_ROLE);
    assert_string_equal(whose, "tap-alice");
    tap[0] = tap[0] == 'a' ? 'b' : 'a';
    assert_int_equal(bus_keys_judge(keys, BUS_SAMPLER, tap, &whose), BUS_UNKNOWN_KEY);
    assert_null(whose);
    bus_keys_destroy(&keys);
    assert_null(keys);
    bus_keys_destroy(&keys);
}

static void
test_keys_to_connect_with_take_turns(void **state)
{
    static const char *const turns[] = {"gateway", "sampler", "gateway-new", "gateway"};
    (void)state;
    put_pair("gateway-new");
    put_pair("sampler");
    put_pair("gateway");
    struct bus_keys *keys = read_as(BUS_SAMPLER);
    for (unsigned i = 0; i < 4; i++)
        assert_string_equal(bus_keys_server(keys, ROLE(GATEWAY) | ROLE(SAMPLER), i)->name,
                            turns[i]);
    assert_string_equal(bus_keys_server(keys, ROLE(SAMPLER), 7)->name, "sampler");
    assert_null(bus_keys_server(keys, ROLE(STORE), 0));
    bus_keys_destroy(&keys);
}

static void
test_a_key_withdrawn(void **state)
{
    (void)state;
    put_pair("sampler");
    put_pair("tap-alice");
    put_pair("store");
    struct bus_keys *old = read_as(BUS_SAMPLER);
    unlink(place("store.pub")); /* never let in here */
    struct bus_keys *less = read_as(BUS_SAMPLER);
    assert_false(bus_keys_withdrawn(old, less, BUS_SAMPLER));
    rename(place("tap-alice.pub"), place("api.pub")); /* the same key, let in under both */
    struct bus_keys *renamed = read_as(BUS_SAMPLER);
    assert_false(bus_keys_withdrawn(old, renamed, BUS_SAMPLER));
    assert_true(bus_keys_withdrawn(old, renamed, BUS_GATEWAY));
    unlink(place("api.pub"));
    struct bus_keys *none = read_as(BUS_SAMPLER);
    assert_true(bus_keys_withdrawn(old, none, BUS_SAMPLER));
    assert_false(bus_keys_withdrawn(none, old, BUS_SAMPLER));
    bus_keys_destroy(&old);
    bus_keys_destroy(&less);
    bus_keys_destroy(&renamed);
    bus_keys_destroy(&none);
}

static void
test_a_secret_is_the_owners_alone(void **state)
{
    static const mode_t open_modes[] = {0640, 0620, 0610, 0604, 0602, 0601, 0644, 0666};
    (void)state;
    put_pair("sampler");
    for (size_t i = 0; i < sizeof open_modes / sizeof *open_modes; i++) {
        chmod(place("sampler.key"), open_modes[i]);
        expect_refused("can be read by others; allowed: mode 0600");
    }
    chmod(place("sampler.key"), 0400);
    struct bus_keys *keys = read_as(BUS_SAMPLER);
    assert_non_null(keys);
    bus_keys_destroy(&keys);
    if (geteuid())
        return;
    assert_int_equal(chown(place("sampler.key"), 12345, 0), 0);
    expect_refused("belongs to another user");
}

/* As Kubernetes mounts a secret: every name a link into a folder that is a link. */
static void
test_links_are_followed(void **state)
{
    (void)state;
    put_pair("sampler");
    mkdir(place("..2026"), 0755);
    rename(place("sampler.key"), place("..2026/sampler.key"));
    rename(place("sampler.pub"), place("..2026/sampler.pub"));
    assert_int_equal(symlink("..2026", place("..data")), 0);
    assert_int_equal(symlink("..data/sampler.key", place("sampler.key")), 0);
    assert_int_equal(symlink("..data/sampler.pub", place("sampler.pub")), 0);
    struct bus_keys *keys = read_as(BUS_SAMPLER);
    assert_non_null(keys);
    assert_int_equal(bus_keys_count(keys), 1);
    bus_keys_destroy(&keys);
    chmod(place("..2026/sampler.key"), 0644);
    expect_refused("can be read by others");
}

static void
test_what_is_no_key(void **state)
{
    static const char *const texts[] = {
        "",
        "\n",
        "short",
        "0123456789012345678901234567890123456789x",
        "012345678901234567890123456789012345678 ", /* a character that Z85 lacks */
        "0123456789012345678901234567890123456789\nmore",
        "%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%\n" /* beyond 2^32 */};
    (void)state;
    expect_refused(
        "sampler.key': No such file or directory; allowed: a folder with the role's");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put("sampler.key", texts[i], 0600);
        expect_refused("sampler.key': holds no key; allowed: 40 characters of Z85");
        if (*texts[i] && *texts[i] != '\n')
            assert_null(strstr(error, texts[i]));
    }
    put_pair("sampler");
    put("tap-bob.pub", "garbled", 0644);
    expect_refused("tap-bob.pub': holds no key");
    unlink(place("tap-bob.pub"));
    put("bob.pub", "0123456789012345678901234567890123456789", 0644);
    expect_refused("bob.pub': is named after no role");
    unlink(place("bob.pub"));
    unlink(place("sampler.key"));
    mkdir(place("sampler.key"), 0700);
    expect_refused("sampler.key': is no regular file");
    strcat(folder, "/sampler.key/none");
    expect_refused("No such file");
    folder[strlen(folder) - strlen("/sampler.key/none")] = 0;
}

int
main(void)
{
#define TEST(test_) cmocka_unit_test_setup_teardown(test_, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {TEST(test_names),
                                       TEST(test_who_may_talk_to_whom),
                                       TEST(test_a_folder_is_read),
                                       TEST(test_keys_to_connect_with_take_turns),
                                       TEST(test_a_key_withdrawn),
                                       TEST(test_a_secret_is_the_owners_alone),
                                       TEST(test_links_are_followed),
                                       TEST(test_what_is_no_key)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
