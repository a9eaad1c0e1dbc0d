#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture.h"
#include "mem.h"
#include "log.h"
#include "settings.h"

struct example {
    struct common_settings common;
    char *name;
    int64_t interval_ms;
    bool open;
    char *endpoints;
    char *key;
    char *old_key;
    char *address;
};

#define AT(member_) offsetof(struct example, member_)
static const struct setting table[] = {
    SETTINGS_COMMON(struct example, common),
    {"NAME", SETTING_TEXT, AT(name), NULL, 1, 8, "", NULL, "A name."},
    {"INTERVAL_MS", SETTING_NUMBER, AT(interval_ms), "50", -5, 1000, "ms", NULL, "A pause."},
    {"OPEN", SETTING_SWITCH, AT(open), "false", 0, 0, "", NULL, "Whether open."},
    {"ENDPOINTS", SETTING_LIST, AT(endpoints), "a,b", 0, 0, "", NULL, "A list."},
    {"API_KEY", SETTING_SECRET, AT(key), NULL, 8, 16, "", NULL, "The key."},
    {"OLD_KEY", SETTING_SPARE_SECRET, AT(old_key), NULL, 8, 16, "", NULL, "The one before."},
    {"ADDRESS", SETTING_ADDRESS, AT(address), "::1", 0, 0, "", NULL, "A place."},
};
#define ROWS (sizeof table / sizeof *table)

static int
check(const void *settings, char *error, size_t error_bytes)
{
    const struct example *example = settings;
    if (example->interval_ms != 13)
        return 0;
    snprintf(error, error_bytes, "INTERVAL_MS: 13 is unlucky; allowed: others");
    return -1;
}

static struct settings_program program = {.name = "headcount-example",
                                          .purpose = "Shows settings.",
                                          .table = table,
                                          .count = ROWS,
                                          .check = check};

static struct example settings;
static char *out, *err; /* of the last run */
static int first_operand, argument_count;
static char *arguments[16];

static int
free_outputs(void **state)
{
    (void)state;
    free(out);
    free(err);
    out = err = NULL;
    settings_free(&program, &settings);
    for (size_t i = 0; i < ROWS; i++)
        unsetenv(table[i].name);
    unsetenv("API_KEY_FILE");
    program.operands = NULL;
    return 0;
}

/* Reads with the given flags, the last being NULL. */
static int
run(const char *flag, ...)
{
    struct capture on_out, on_err;
    va_list args;
    va_start(args, flag);
    arguments[0] = "headcount-example";
    argument_count = 1;
    for (const char *next = flag; next; next = va_arg(args, const char *))
        arguments[argument_count++] = (char *)next;
    arguments[argument_count] = NULL;
    va_end(args);
    settings_free(&program, &settings);
    memset(&settings, 0, sizeof settings);
    free(out);
    free(err);
    capture_start(&on_out, STDOUT_FILENO);
    capture_start(&on_err, STDERR_FILENO);
    int status = settings_read(&program, argument_count, arguments, &settings, &first_operand);
    err = capture_end(&on_err);
    out = capture_end(&on_out);
    return status;
}

/* One line on stderr that holds all the texts, the last being NULL. */
static void
expect_error(const char *text, ...)
{
    va_list args;
    va_start(args, text);
    for (const char *next = text; next; next = va_arg(args, const char *))
        if (!strstr(err, next))
            fail_msg("'%s' is not in: %s", next, err);
    va_end(args);
    assert_ptr_equal(strchr(err, '\n'), err + strlen(err) - 1);
    assert_string_equal(out, "");
}

static void
test_defaults(void **state)
{
    (void)state;
    assert_int_equal(run(NULL), SETTINGS_RUN);
    assert_string_equal(settings.common.log_level, "info");
    assert_null(settings.name);
    assert_int_equal(settings.interval_ms, 50);
    assert_false(settings.open);
    assert_string_equal(settings.endpoints, "a,b");
    assert_null(settings.key);
    assert_string_equal(out, "");
    assert_string_equal(err, "");
}

static void
test_environment_and_flags(void **state)
{
    (void)state;
    setenv("NAME", "env", 1);
    setenv("INTERVAL_MS", "", 1); /* empty is not given */
    setenv("OPEN", "true", 1);
    setenv("ENDPOINTS", "e", 1);
    assert_int_equal(run(NULL), SETTINGS_RUN);
    assert_string_equal(settings.name, "env");
    assert_int_equal(settings.interval_ms, 50);
    assert_true(settings.open);
    assert_int_equal(run("--name", "flag", "--interval-ms=-5", "--open=false", NULL),
                     SETTINGS_RUN);
    assert_string_equal(settings.name, "flag");
    assert_int_equal(settings.interval_ms, -5);
    assert_false(settings.open);
    assert_int_equal(run("--endpoints", "", NULL), SETTINGS_RUN); /* an empty flag is given */
    assert_string_equal(settings.endpoints, "");
    assert_int_equal(run("--name", "", NULL), EXIT_CONFIGURATION);
    expect_error("NAME: is 0 characters long", "1 to 8", NULL);
}

static void
test_repeats(void **state)
{
    (void)state;
    assert_int_equal(
        run("--endpoints", "x", "--name", "a", "--endpoints=y,z", "--name=b", NULL),
        SETTINGS_RUN);
    assert_string_equal(settings.endpoints, "x,y,z");
    assert_string_equal(settings.name, "b");
}

static void
test_switch_without_value(void **state)
{
    (void)state;
    assert_int_equal(run("--open", NULL), SETTINGS_RUN);
    assert_true(settings.open);
    assert_int_equal(run("--open", "--name", "a", NULL), SETTINGS_RUN);
    assert_true(settings.open);
    assert_int_equal(run("--open", "false", NULL), SETTINGS_RUN);
    assert_false(settings.open);
    assert_int_equal(run("--open=maybe", NULL), EXIT_CONFIGURATION);
    expect_error("OPEN: 'maybe' is no switch", "true or false", NULL);
}

static void
test_numbers(void **state)
{
    (void)state;
    const char *good[] = {"-5", "0", "1000", "007"};
    const int64_t values[] = {-5, 0, 1000, 7};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(run("--interval-ms", good[i], NULL), SETTINGS_RUN);
        assert_int_equal(settings.interval_ms, values[i]);
    }
    const char *far[] = {"-6", "1001", "99999999999999999999", "-99999999999999999999"};
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
        assert_int_equal(run("--interval-ms", far[i], NULL), EXIT_CONFIGURATION);
        expect_error("headcount-example: INTERVAL_MS: '", far[i], "is out of range",
                     "allowed: -5 to 1000 ms", NULL);
    }
    const char *none[] = {"", "-", "x", "5x", "5.0", " 5", "5 ", "+5", "0x5", "1e2"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_int_equal(run("--interval-ms", none[i], NULL), EXIT_CONFIGURATION);
        expect_error("INTERVAL_MS: '", "is not a whole number", "allowed: -5 to 1000 ms", NULL);
    }
}

static void
test_text_and_choice(void **state)
{
    (void)state;
    assert_int_equal(run("--name", "12345678", NULL), SETTINGS_RUN);
    assert_int_equal(run("--name", "123456789", NULL), EXIT_CONFIGURATION);
    expect_error("NAME: is 9 characters long", "1 to 8 characters", NULL);
    assert_int_equal(run("--log-level", "error", NULL), SETTINGS_RUN);
    const char *none[] = {"", "err", "errors", "info|warn", "|", "INFO"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_int_equal(run("--log-level", none[i], NULL), EXIT_CONFIGURATION);
        expect_error("LOG_LEVEL: '", "is no choice", "debug|info|warn|error", NULL);
    }
    assert_int_equal(run("--interval-ms", "13", NULL), EXIT_CONFIGURATION);
    expect_error("headcount-example: INTERVAL_MS: 13 is unlucky; allowed: others", NULL);
}

static void
test_usage(void **state)
{
    (void)state;
    assert_int_equal(run("--nmae", "x", NULL), EXIT_USAGE);
    expect_error("headcount-example: --nmae: unknown flag", "--help", NULL);
    assert_int_equal(run("--nam", "x", NULL), EXIT_USAGE); /* no abbreviations */
    expect_error("--nam: unknown flag", NULL);
    assert_int_equal(run("-n", NULL), EXIT_USAGE);
    expect_error("-n: unknown flag", NULL);
    assert_int_equal(run("--name", NULL), EXIT_USAGE);
    expect_error("--name: needs a value", NULL);
    assert_int_equal(run("--help=now", NULL), EXIT_USAGE);
    expect_error("--help: unknown flag", NULL);
    assert_int_equal(run("operand", NULL), EXIT_USAGE);
    expect_error("operand: unexpected operand", NULL);
}

static void
test_operands(void **state)
{
    (void)state;
    program.operands = "FILE…";
    assert_int_equal(run("one", "--name", "a", "two", "-", "--", "--open", NULL), SETTINGS_RUN);
    const char *expected[] = {"one", "two", "-", "--open"};
    assert_int_equal(argument_count - first_operand, 4);
    for (int i = 0; i < 4; i++)
        assert_string_equal(arguments[first_operand + i], expected[i]);
    assert_string_equal(settings.name, "a");
    assert_false(settings.open);
    assert_int_equal(run("--name", "a", NULL), SETTINGS_RUN);
    assert_int_equal(first_operand, argument_count);
}

static void
test_secret_from_environment(void **state)
{
    (void)state;
    setenv("API_KEY", "sesame-sesame", 1);
    assert_int_equal(run(NULL), SETTINGS_RUN);
    assert_string_equal(settings.key, "sesame-sesame");
    setenv("API_KEY", "sesame", 1);
    assert_int_equal(run(NULL), EXIT_CONFIGURATION);
    expect_error("API_KEY: is 6 characters long", "8 to 16 characters", NULL);
    assert_null(strstr(err, "sesame"));
}

/* Whatever way it is tried, a secret in an argument is refused and not repeated. */
static void
test_secret_never_from_arguments(void **state)
{
    (void)state;
    assert_int_equal(run("--api-key", "sesame-sesame", NULL), EXIT_USAGE);
    expect_error("--api-key: unknown flag", NULL);
    assert_null(strstr(err, "sesame"));
    assert_int_equal(run("--api-key=sesame-sesame", NULL), EXIT_USAGE);
    expect_error("--api-key: unknown flag", NULL);
    assert_null(strstr(err, "sesame"));
}

static void
test_secret_from_file(void **state)
{
    (void)state;
    char path[] = "/tmp/headcount-settings-XXXXXX";
    int file = mkstemp(path);
    assert_int_equal(dprintf(file, "from-the-file\r\nsecond line\n"), 27);
    assert_int_equal(run("--api-key-file", path, NULL), SETTINGS_RUN);
    assert_string_equal(settings.key, "from-the-file");
    setenv("API_KEY_FILE", path, 1);
    setenv("API_KEY", "from-the-variable", 1);
    assert_int_equal(run(NULL), SETTINGS_RUN);
    assert_string_equal(settings.key, "from-the-file");
    assert_int_equal(ftruncate(file, 0), 0);
    assert_int_equal(run(NULL), EXIT_CONFIGURATION);
    expect_error("API_KEY: cannot read its file", path, "(empty)", NULL);
    close(file);
    unlink(path);
    assert_int_equal(run(NULL), EXIT_CONFIGURATION);
    expect_error("API_KEY: cannot read its file", "No such file", NULL);
    setenv("API_KEY_FILE", "/tmp", 1);
    assert_int_equal(run(NULL), EXIT_CONFIGURATION);
    expect_error("API_KEY: cannot read its file", "Is a directory", NULL);
}

/* What could not be typed into a header, or would be cut, is no key. */
static void
test_secret_that_is_no_text(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *problem;
    } wrong[] = {
        {"abcdefgh\0ijkl\n", 14, "its first line is no text"},
        {"abcdefghij \n", 12, "has a space at an end"},
        {" abcdefghij\n", 12, "has a space at an end"},
        {"abcde\tfghij\n", 12, "a control character"},
    };
    char path[] = "/tmp/headcount-settings-XXXXXX";
    int file = mkstemp(path);
    setenv("API_KEY_FILE", path, 1);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(ftruncate(file, 0), 0);
        assert_int_equal(pwrite(file, wrong[i].bytes, wrong[i].size, 0), wrong[i].size);
        assert_int_equal(run(NULL), EXIT_CONFIGURATION);
        expect_error("API_KEY: ", wrong[i].problem, NULL);
        assert_null(strstr(err, "abcde"));
    }
    close(file);
    unlink(path);
}

static void
test_secret_from_a_pipe_is_not_waited_for(void **state)
{
    (void)state;
    char path[] = "/tmp/headcount-settings-XXXXXX";
    close(mkstemp(path));
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(run("--api-key-file", path, NULL), EXIT_CONFIGURATION);
    expect_error("API_KEY: cannot read its file", "is no regular file", NULL);
    unlink(path);
}

/* The key of before may be taken away: that is what it is for. */
static void
test_spare_secret(void **state)
{
    (void)state;
    char path[] = "/tmp/headcount-settings-XXXXXX";
    int file = mkstemp(path);
    assert_int_equal(run("--old-key-file", path, NULL), SETTINGS_RUN);
    assert_null(settings.old_key);
    assert_int_equal(dprintf(file, "\n"), 1);
    assert_int_equal(run("--old-key-file", path, NULL), SETTINGS_RUN);
    assert_null(settings.old_key);
    assert_non_null(strstr(err, "settings.no_spare"));
    assert_non_null(strstr(err, "setting=OLD_KEY"));
    assert_int_equal(pwrite(file, "short\n", 6, 0), 6);
    assert_int_equal(run("--old-key-file", path, NULL), EXIT_CONFIGURATION);
    assert_int_equal(pwrite(file, "the-key-before\n", 15, 0), 15);
    assert_int_equal(run("--old-key-file", path, NULL), SETTINGS_RUN);
    assert_string_equal(settings.old_key, "the-key-before");
    close(file);
    unlink(path);
    assert_int_equal(run("--old-key-file", path, NULL), SETTINGS_RUN);
    assert_null(settings.old_key);
    assert_non_null(strstr(err, "info  example settings.no_spare"));
    assert_int_equal(run("--old-key-file", "/tmp", NULL), EXIT_CONFIGURATION);
    expect_error("OLD_KEY: cannot read its file", "Is a directory", NULL);
}

/* A running program's log is set up, and other threads write to it meanwhile. */
static void
test_reading_again_leaves_the_log_as_it_is(void **state)
{
    (void)state;
    struct capture on_err;
    char error[SETTINGS_ERROR_BYTES];
    assert_int_equal(run("--old-key-file", "/nonexistent", NULL), SETTINGS_RUN);
    settings_free(&program, &settings);
    log_setup("running", LOG_LEVEL_INFO, true);
    capture_start(&on_err, STDERR_FILENO);
    int status = settings_reread(&program, argument_count, arguments, &settings, error);
    free(err);
    err = capture_end(&on_err);
    log_setup("example", LOG_LEVEL_INFO, false);
    assert_int_equal(status, SETTINGS_RUN);
    assert_non_null(strstr(err, "\"service\":\"running\",\"id\":\"settings.no_spare\""));
}

static void
test_address(void **state)
{
    static const char *const none[] = {"", "localhost", "1.2.3", "1.2.3.4:80", "[::1]", "::g"};
    (void)state;
    assert_int_equal(run("--address", "0.0.0.0", NULL), SETTINGS_RUN);
    assert_string_equal(settings.address, "0.0.0.0");
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_int_equal(run("--address", none[i], NULL), EXIT_CONFIGURATION);
        expect_error("ADDRESS: '", none[i], "' is no address; allowed: an IPv4 or IPv6 address",
                     NULL);
    }
}

static void
test_an_error_is_one_line(void **state)
{
    (void)state;
    assert_int_equal(run("--interval-ms", "1\n2\x1b[31m", NULL), EXIT_CONFIGURATION);
    expect_error("INTERVAL_MS: '1?2?[31m' is not a whole number", NULL);
}

static void
test_help(void **state)
{
    (void)state;
    const char *flags[] = {"--log-level",    "--log-format", "--core-files", "--name",
                           "--interval-ms",  "--open",       "--endpoints",  "--api-key-file",
                           "--old-key-file", "--address"};
    assert_int_equal(run("--help", NULL), 0);
    for (size_t i = 0; i < ROWS; i++) {
        char line[128];
        snprintf(line, sizeof line, "\n  %s\n      %s", flags[i], table[i].help);
        assert_non_null(strstr(out, line));
    }
    assert_non_null(strstr(out, "-5 to 1000 ms; default 50"));
    assert_null(strstr(out, "--api-key\n"));
    assert_string_equal(err, "");
    assert_int_equal(run("--help-markdown", NULL), 0);
    for (size_t i = 0; i < ROWS; i++) {
        char cell[64];
        snprintf(cell, sizeof cell, "\n| `%s` | ", table[i].name);
        assert_non_null(strstr(out, cell));
    }
    assert_int_equal(run("--version", NULL), 0);
    assert_string_equal(out, "headcount-example " HEADCOUNT_VERSION "\n");
}

static void
test_check(void **state)
{
    (void)state;
    assert_int_equal(run("--check", "--name", "a", NULL), 0);
    assert_string_equal(out, "headcount-example: settings are valid\n");
    assert_null(settings.name); /* freed: the program ends */
    assert_int_equal(run("--interval-ms", "1001", "--check", NULL), EXIT_CONFIGURATION);
    expect_error("INTERVAL_MS", NULL);
    assert_int_equal(run("--check", "--help", NULL), 0);
    assert_non_null(strstr(out, "Usage:"));
}

int
main(void)
{
#define TEST(test_) cmocka_unit_test_teardown(test_, free_outputs)
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_environment_and_flags),
        TEST(test_repeats),
        TEST(test_switch_without_value),
        TEST(test_numbers),
        TEST(test_text_and_choice),
        TEST(test_usage),
        TEST(test_operands),
        TEST(test_secret_from_environment),
        TEST(test_secret_never_from_arguments),
        TEST(test_secret_from_file),
        TEST(test_secret_that_is_no_text),
        TEST(test_secret_from_a_pipe_is_not_waited_for),
        TEST(test_spare_secret),
        TEST(test_reading_again_leaves_the_log_as_it_is),
        TEST(test_address),
        TEST(test_an_error_is_one_line),
        TEST(test_help),
        TEST(test_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
