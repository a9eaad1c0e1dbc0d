/* The bucket's size and rate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bucket.h"

static unsigned
take_all(struct bucket *bucket, int64_t per_second, int64_t now_ms)
{
    unsigned count = 0;
    while (bucket_take(bucket, per_second, now_ms))
        count++;
    return count;
}

static void
holds_a_burst_and_fills_again(void **state)
{
    (void)state;
    struct bucket bucket = {0};
    assert_int_equal(take_all(&bucket, 10, 1000), 10 * BUCKET_SECONDS);
    assert_int_equal(take_all(&bucket, 10, 1099), 0);
    assert_int_equal(take_all(&bucket, 10, 1100), 1);
    assert_int_equal(take_all(&bucket, 10, 2100), 10);
    assert_int_equal(take_all(&bucket, 10, 1000000), 10 * BUCKET_SECONDS);
}

static void
keeps_the_rate(void **state)
{
    (void)state;
    struct bucket bucket = {0};
    unsigned taken = take_all(&bucket, 3, 0) - 3 * BUCKET_SECONDS;
    for (int64_t now_ms = 0; now_ms <= 60000; now_ms += 7)
        taken += bucket_take(&bucket, 3, now_ms);
    assert_in_range(taken, 178, 180);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_a_burst_and_fills_again),
        cmocka_unit_test(keeps_the_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
