/* In: files, time. Out: pairs loaded. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "clock.h"
#include "log.h"
#include "mem.h"

#include "gateway_metrics.h"
#include "tls_files.h"

#define ERROR_BYTES 1024

/* What tells one state of a file from another. */
struct look {
    dev_t device;
    ino_t number;
    off_t bytes;
    struct timespec changed;
};

struct tls_files {
    struct tls_files_options options;
    struct tls_server *server;
    struct metrics *metrics;
    struct look looks[2]; /* at the pair read last, usable or not */
    uv_timer_t timer;
};

static void
look_at(const char *path, struct look *look)
{
    struct stat status;
    memset(look, 0, sizeof *look); /* compared as bytes */
    if (stat(path, &status))
        return;
    look->device = status.st_dev;
    look->number = status.st_ino;
    look->bytes = status.st_size;
    look->changed = status.st_mtim;
}

static void
look_at_both(const struct tls_files *files, struct look looks[2])
{
    look_at(files->options.cert_path, &looks[0]);
    look_at(files->options.key_path, &looks[1]);
}

/* Looks first: a file that changes while it is read is read once more. */
static int
load(struct tls_files *files, char *error, size_t error_bytes)
{
    char ends[CLOCK_TEXT_BYTES];
    look_at_both(files, files->looks);
    if (tls_server_load(files->server, files->options.cert_path, files->options.key_path, error,
                        error_bytes))
        return -1;
    int64_t ends_s = tls_server_ends_s(files->server);
    metrics_set(files->metrics, METRIC_TLS_ENDS, ends_s);
    clock_text(ends_s * 1000, ends);
    if (ends_s * 1000 < clock_wall_ms())
        log_warn("tls.expired", "the certificate has expired", LOG_STR("ends", ends));
    log_info("tls.loaded", "the certificate is in use", LOG_STR("ends", ends));
    return 0;
}

void
tls_files_reload(struct tls_files *files)
{
    char error[ERROR_BYTES];
    bool failed = load(files, error, sizeof error);
    metrics_add(files->metrics, failed ? METRIC_TLS_FAILED : METRIC_TLS_LOADED, 1);
    if (failed)
        log_error("tls.kept", "the new certificate cannot be used, the old one stays",
                  LOG_STR("reason", error));
}

static void
on_timer(uv_timer_t *timer)
{
    struct tls_files *files = timer->data;
    struct look looks[2];
    look_at_both(files, looks);
    if (memcmp(looks, files->looks, sizeof looks))
        tls_files_reload(files);
}

struct tls_files *
tls_files_new(uv_loop_t *loop, const struct tls_files_options *options, struct metrics *metrics,
              char *error, size_t error_bytes)
{
    struct tls_files *files = mem_alloc(sizeof *files);
    files->options = *options;
    files->metrics = metrics;
    files->server = tls_server_new();
    if (load(files, error, error_bytes)) {
        tls_server_destroy(&files->server);
        free(files);
        return NULL;
    }
    uv_timer_init(loop, &files->timer);
    files->timer.data = files;
    uv_timer_start(&files->timer, on_timer, (uint64_t)options->check_ms,
                   (uint64_t)options->check_ms);
    return files;
}

static void
on_closed(uv_handle_t *handle)
{
    struct tls_files *files = handle->data;
    tls_server_destroy(&files->server);
    free(files);
}

void
tls_files_destroy(struct tls_files **files)
{
    if (!*files)
        return;
    uv_close((uv_handle_t *)&(*files)->timer, on_closed);
    *files = NULL;
}

const struct tls_server *
tls_files_server(const struct tls_files *files)
{
    return files->server;
}
