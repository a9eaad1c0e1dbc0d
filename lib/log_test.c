#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"
#include "log.h"
#include "mem.h"

static struct capture capture;

static void
start(enum log_level least, bool json)
{
    log_setup("test-service", least, json);
    capture_start(&capture, STDERR_FILENO);
}

static void
test_text_line(void **state)
{
    (void)state;
    start(LOG_LEVEL_INFO, false);
    log_warn("a.id", "something happened", LOG_STR("name", "plain"), LOG_INT("count", -12),
             LOG_STR("missing", NULL));
    char *line = capture_end(&capture);
    assert_non_null(strstr(line, "Z warn  test-service a.id: something happened name=plain "
                                 "count=-12 missing=\"\"\n"));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    free(line);
}

static void
test_text_escapes(void **state)
{
    (void)state;
    start(LOG_LEVEL_INFO, false);
    log_info("a.id", "text", LOG_STR("v", "a b\n\"c\\\x1b[0m=\x7f\xc3\xbc"));
    char *line = capture_end(&capture);
    assert_non_null(strstr(line, "v=\"a b\\x0a\\\"c\\\\\\x1b[0m=\\x7f\\xc3\\xbc\"\n"));
    for (const char *c = line; *c != '\n'; c++)
        assert_in_range((unsigned char)*c, ' ', '~');
    free(line);
}

/* As it may hold a path, or what a library says. */
static void
test_any_text(void **state)
{
    (void)state;
    start(LOG_LEVEL_INFO, false);
    log_info("a.id", "said \"\x1b[2J\r\n\xff\x9b\"", LOG_NONE);
    char *line = capture_end(&capture);
    assert_non_null(strstr(line, "a.id: said \"\\x1b[2J\\x0d\\x0a\\xff\\x9b\"\n"));
    free(line);
    start(LOG_LEVEL_INFO, true);
    log_info("a.id", "said \"\n\xff\"", LOG_NONE);
    line = capture_end(&capture);
    json_t *object = json_loads(line, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(object, "text")),
                        "said \"\n\xc3\xbf\"");
    json_decref(object);
    free(line);
}

static void
test_levels(void **state)
{
    (void)state;
    start(LOG_LEVEL_WARN, false);
    log_debug("a", "no", LOG_NONE);
    log_info("b", "no", LOG_NONE);
    log_warn("c", "yes", LOG_NONE);
    log_error("d", "yes", LOG_NONE);
    char *lines = capture_end(&capture);
    assert_null(strstr(lines, "no"));
    assert_non_null(strstr(lines, "warn  test-service c: yes\n"));
    assert_non_null(strstr(lines, "error test-service d: yes\n"));
    free(lines);
}

static void
test_long_line(void **state)
{
    (void)state;
    char *value = mem_alloc(20001);
    memset(value, 'v', 20000);
    start(LOG_LEVEL_INFO, false);
    log_info("a.id", "text", LOG_STR("value", value));
    char *line = capture_end(&capture);
    assert_in_range(strlen(line), 4000, 4096);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    free(line);
    start(LOG_LEVEL_INFO, true);
    log_info("a.id", "text", LOG_STR("value", value));
    line = capture_end(&capture);
    json_t *object = json_loads(line, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(object, "value")), value);
    json_decref(object);
    free(line);
    free(value);
}

static void
test_json_line(void **state)
{
    (void)state;
    start(LOG_LEVEL_DEBUG, true);
    log_debug("a.id", "something", LOG_STR("quoted", "\"a\"\n\x01"), LOG_INT("big", INT64_MIN),
              LOG_STR("utf8", "\xc3\xbc"), LOG_STR("bytes", "a\xff\x80"));
    char *line = capture_end(&capture);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    json_t *object = json_loads(line, 0, NULL);
    const struct {
        const char *key, *value;
    } expected[] = {{"level", "debug"},
                    {"service", "test-service"},
                    {"id", "a.id"},
                    {"text", "something"},
                    {"quoted", "\"a\"\n\x01"},
                    {"utf8", "\xc3\xbc"},
                    {"bytes", "a\xc3\xbf\xc2\x80"}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_string_equal(json_string_value(json_object_get(object, expected[i].key)),
                            expected[i].value);
    assert_true(json_integer_value(json_object_get(object, "big")) == INT64_MIN);
    assert_non_null(json_string_value(json_object_get(object, "time")));
    json_decref(object);
    free(line);
}

static void
test_limit(void **state)
{
    (void)state;
    struct log_limit limit = {0};
    int64_t suppressed = -1;
    assert_true(log_allowed(&limit, 5, 1000, &suppressed));
    assert_int_equal(suppressed, 0);
    assert_false(log_allowed(&limit, 6, 1000, &suppressed));
    assert_false(log_allowed(&limit, 1004, 1000, &suppressed));
    assert_true(log_allowed(&limit, 1005, 1000, &suppressed));
    assert_int_equal(suppressed, 2);
    assert_true(log_allowed(&limit, 2005, 1000, &suppressed));
    assert_int_equal(suppressed, 0);
}

static void
test_burst(void **state)
{
    (void)state;
    struct log_limit limit = {0};
    int64_t suppressed = -1;
    for (int i = 0; i < LOG_BURST; i++) {
        assert_true(log_allowed_burst(&limit, 5 + i, 1000, &suppressed));
        assert_int_equal(suppressed, 0);
    }
    assert_false(log_allowed_burst(&limit, 200, 1000, &suppressed));
    assert_false(log_allowed_burst(&limit, 1004, 1000, &suppressed));
    assert_true(log_allowed_burst(&limit, 1005, 1000, &suppressed));
    assert_int_equal(suppressed, 2);
    assert_true(log_allowed_burst(&limit, 1005, 1000, &suppressed));
    assert_int_equal(suppressed, 0);
}

/* Nobody reads stderr: no signal, no hang. */
static void
test_closed_stderr(void **state)
{
    (void)state;
    int saved = dup(STDERR_FILENO);
    close(STDERR_FILENO);
    log_setup("test-service", LOG_LEVEL_INFO, false);
    log_info("a.id", "text", LOG_NONE);
    dup2(saved, STDERR_FILENO);
    close(saved);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_line),    cmocka_unit_test(test_text_escapes),
        cmocka_unit_test(test_any_text),     cmocka_unit_test(test_levels),
        cmocka_unit_test(test_long_line),    cmocka_unit_test(test_json_line),
        cmocka_unit_test(test_limit),        cmocka_unit_test(test_burst),
        cmocka_unit_test(test_closed_stderr)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
