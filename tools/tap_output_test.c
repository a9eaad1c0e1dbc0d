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

#define FULL_BYTES (256 * 1024)

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

static struct tap_output *
open_output(int fd)
{
    return tap_output_new(&loop, fd, FULL_BYTES,
                          (struct tap_output_events){on_room, on_end, &seen});
}

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
    output = open_output(ends[1]);
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
        tap_output_write(output, line, strlen(line));
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
    tap_output_write(output, "too late\n", 9);
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
    struct tap_output *other = open_output(full);
    tap_output_write(other, "line\n", 5);
    tap_output_flush(other);
    while (!seen.ends)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(seen.error, ENOSPC);
    assert_int_equal(tap_output_waiting(other), 0);
    tap_output_destroy(&other);
    tap_output_destroy(&other);
    close(full);
}

/* A file is written by the pool, in order, while more is taken; the rest after the end. */
static void
test_file(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    struct tap_output *other = open_output(fileno(file));
    char *block = malloc(FULL_BYTES);
    for (int i = 0; i < 8; i++) {
        memset(block, 'a' + i, FULL_BYTES);
        tap_output_write(other, block, FULL_BYTES);
        assert_false(tap_output_flush(other));
    }
    assert_int_equal(seen.rooms, 0);
    while (!seen.rooms)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(tap_output_waiting(other), 0);
    tap_output_write(other, "one, ", 5);
    tap_output_flush(other);
    tap_output_write(other, "last\n", 5);
    tap_output_destroy(&other);
    uv_run(&loop, UV_RUN_NOWAIT);
    while (lseek(fileno(file), 0, SEEK_END) < 8 * FULL_BYTES + 10)
        uv_run(&loop, UV_RUN_ONCE);
    rewind(file);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(fread(block, 1, FULL_BYTES, file), FULL_BYTES);
        assert_int_equal(block[0], 'a' + i);
        assert_int_equal(block[FULL_BYTES - 1], 'a' + i);
    }
    assert_int_equal(fread(block, 1, FULL_BYTES, file), 10);
    assert_memory_equal(block, "one, last\n", 10);
    free(block);
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
