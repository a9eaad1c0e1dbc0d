/* Lines through a pipe that is not read, read late, and closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap_output.h"

struct seen {
    int rooms, ends, error;
};

static void
on_room(void *arg)
{
    ((struct seen *)arg)->rooms++;
}

static void
on_end(void *arg, int error)
{
    struct seen *seen = arg;
    seen->ends++;
    seen->error = error;
}

static uv_loop_t loop;
static struct seen seen;
static struct tap_output *output;
static int ends[2];

static int
start(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    seen = (struct seen){0};
    if (pipe(ends))
        return -1;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    uv_loop_init(&loop);
    output = tap_output_new(&loop, ends[1], (struct tap_output_events){on_room, on_end, &seen});
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    tap_output_destroy(&output);
    uv_run(&loop, UV_RUN_DEFAULT);
    close(ends[0]);
    close(ends[1]);
    return uv_loop_close(&loop);
}

/* Writes numbered lines until there is no room; returns how many. */
static int
fill(void)
{
    char line[64];
    int count = 0;
    bool room = true;
    for (; room && count < 1000000; count++) {
        snprintf(line, sizeof line, "line %d\n", count);
        tap_output_write(output, line);
        room = tap_output_flush(output);
    }
    return count;
}

static void
test_order_after_a_pause(void **state)
{
    (void)state;
    int count = fill(), expected = 0;
    assert_in_range(count, 10000, 200000); /* bounded: the pipe and the buffer */
    assert_int_equal(seen.rooms, 0);
    size_t length = 0, bytes = 16 * (size_t)count;
    char *text = calloc(1, bytes), last[64];
    size_t last_bytes = (size_t)snprintf(last, sizeof last, "line %d\n", count - 1);
    while (length < last_bytes || strcmp(text + length - last_bytes, last)) {
        uv_run(&loop, UV_RUN_NOWAIT);
        ssize_t got = read(ends[0], text + length, bytes - 1 - length);
        length += got > 0 ? (size_t)got : 0;
    }
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        snprintf(last, sizeof last, "line %d", expected++);
        assert_string_equal(line, last);
    }
    assert_int_equal(expected, count);
    free(text);
    assert_int_equal(seen.rooms, 1);
    assert_int_equal(seen.ends, 0);
}

static void
test_reader_gone(void **state)
{
    (void)state;
    fill();
    close(ends[0]);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(seen.ends, 1);
    assert_int_equal(seen.error, 0);
    tap_output_write(output, "too late\n");
    tap_output_flush(output);
    assert_int_equal(seen.ends, 1);
    ends[0] = dup(ends[1]);
}

/* Nothing waits to be written: the end is noticed all the same. */
static void
test_reader_gone_while_idle(void **state)
{
    (void)state;
    close(ends[0]);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(seen.ends, 1);
    ends[0] = dup(ends[1]);
}

static void
test_disk_full(void **state)
{
    (void)state;
    int full = open("/dev/full", O_WRONLY);
    struct tap_output *other =
        tap_output_new(&loop, full, (struct tap_output_events){on_room, on_end, &seen});
    tap_output_write(other, "line\n");
    tap_output_flush(other);
    assert_int_equal(seen.ends, 1);
    assert_int_equal(seen.error, ENOSPC);
    tap_output_destroy(&other);
    tap_output_destroy(&other);
    close(full);
}

static void
test_file(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    struct tap_output *other =
        tap_output_new(&loop, fileno(file), (struct tap_output_events){on_room, on_end, &seen});
    char *line = malloc(1000001);
    memset(line, 'x', 1000000);
    line[1000000] = 0;
    tap_output_write(other, line);
    assert_true(tap_output_flush(other));
    tap_output_write(other, "last\n");
    tap_output_destroy(&other); /* what is left is written */
    assert_int_equal(lseek(fileno(file), 0, SEEK_END), 1000005);
    free(line);
    fclose(file);
}

int
main(void)
{
#define TEST(test_) cmocka_unit_test_setup_teardown(test_, start, stop)
    const struct CMUnitTest tests[] = {TEST(test_order_after_a_pause), TEST(test_reader_gone),
                                       TEST(test_reader_gone_while_idle), TEST(test_disk_full),
                                       TEST(test_file)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
