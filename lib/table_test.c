/* Keys that were chosen to share a bucket of uthash's own function are spread by ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "table.h"

#define BITS 10
#define BUCKETS (1u << BITS)
#define KEYS 2000
#define CROWDED 30 /* of a bucket that has 2 on average */

static void
chosen_keys_are_spread(void **state)
{
    static unsigned buckets[BUCKETS];
    unsigned found = 0, most = 0;
    (void)state;
    for (unsigned i = 0; found < KEYS; i++) {
        char key[32];
        unsigned bad;
        int bytes = snprintf(key, sizeof key, "made-up-%u", i);
        HASH_JEN(key, (unsigned)bytes, bad);
        if (bad & (BUCKETS - 1))
            continue;
        found++;
        unsigned *bucket = &buckets[table_hash(key, (size_t)bytes) & (BUCKETS - 1)];
        if (++*bucket > most)
            most = *bucket;
    }
    assert_in_range(most, 1, CROWDED);
}

static void
a_key_has_one_hash(void **state)
{
    char copy[] = "lot-1";
    (void)state;
    assert_int_equal(table_hash("lot-1", 5), table_hash(copy, 5));
    assert_int_not_equal(table_hash("lot-1", 5), table_hash("lot-2", 5));
    assert_int_not_equal(table_hash("lot-1", 5), table_hash("lot-1", 4));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chosen_keys_are_spread),
        cmocka_unit_test(a_key_has_one_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
