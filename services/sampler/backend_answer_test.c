/* A backend's answers as one acknowledgement. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "backend_answer.h"

static void
take(struct ack *ack, size_t row, long status, const char *body)
{
    backend_answer_take(ack, row, status, body, strlen(body));
}

static void
test_outcomes(void **state)
{
    (void)state;
    struct ack ack = {0};
    take(&ack, 0, 201, "{\"data\":{\"outcome\":\"saved\"}}");
    take(&ack, 1, 200, "{\"data\":{\"outcome\":\"kept\"}}");
    take(&ack, 2, 200, "{\"data\":{\"outcome\":\"ignored\"}}");
    take(&ack, 3, 202, "{\"data\":{\"outcome\":\"spooled\"}}");
    take(&ack, 4, 200, "thanks"); /* does not say */
    backend_answer_take(&ack, 5, 204, NULL, 0);
    assert_int_equal(ack.code, ACK_OK);
    assert_int_equal(ack.saved, 3);
    assert_int_equal(ack.kept, 1);
    assert_int_equal(ack.ignored, 1);
    assert_int_equal(ack.spooled, 1);
    assert_int_equal(ack.refused, 0);
    ack_fini(&ack);
}

static void
test_refusals(void **state)
{
    (void)state;
    struct ack ack = {0};
    take(&ack, 3, 400, "{\"error\":{\"message\":\"minViewers: is missing\"}}");
    take(&ack, 7, 404, "[]");
    assert_int_equal(ack.code, ACK_OK);
    assert_int_equal(ack.refused, 2);
    assert_int_equal(ack.refusals[0].row, 3);
    assert_string_equal(ack.refusals[0].reason,
                        "the backend answers 400: minViewers: is missing");
    assert_int_equal(ack.refusals[1].row, 7);
    assert_string_equal(ack.refusals[1].reason, "the backend answers 404");
    ack_fini(&ack);
}

static void
test_put_off(void **state)
{
    (void)state;
    static const long later[] = {408, 425, 429, 500, 503, 302, 100, 0};
    struct ack ack = {0};
    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        ack = (struct ack){0};
        take(&ack, 0, later[i], "");
        assert_int_equal(ack.code, ACK_UNAVAILABLE);
    }
    ack = (struct ack){0};
    take(&ack, 0, 403, "");
    backend_answer_missing(&ack, "later than the first reason");
    assert_int_equal(ack.code, ACK_UNAUTHORIZED);
    assert_string_equal(ack.message, "the backend answers 403");
    ack = (struct ack){0};
    backend_answer_missing(&ack, "nobody is there");
    assert_int_equal(ack.code, ACK_UNAVAILABLE);
    assert_string_equal(ack.message, "the backend: nobody is there");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_outcomes),
                                       cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_put_off)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
