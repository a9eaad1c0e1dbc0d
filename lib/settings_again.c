/* In: SIGHUP. Out: settings. */
#include <signal.h>
#include <stdlib.h>

#include "log.h"
#include "mem.h"

#include "settings_again.h"

struct settings_again {
    struct settings_again_options options;
    uv_signal_t signal;
};

static void
on_hangup(uv_signal_t *signal, int number)
{
    struct settings_again *again = signal->data;
    const struct settings_again_options *options = &again->options;
    void *settings = mem_alloc(options->settings_bytes);
    char error[SETTINGS_ERROR_BYTES];
    (void)number;
    if (settings_reread(options->program, options->argc, options->argv, settings, error) !=
        SETTINGS_RUN) {
        log_error("settings.kept", "the keys cannot be read again; those in use stay",
                  LOG_STR("reason", error));
    } else {
        bool changed = options->take(options->arg, settings);
        log_info("settings.read_again",
                 changed ? "the keys have changed" : "no key has changed", LOG_NONE);
        settings_free(options->program, settings);
    }
    free(settings);
}

struct settings_again *
settings_again_new(const struct settings_again_options *options)
{
    struct settings_again *again = mem_alloc(sizeof *again);
    again->options = *options;
    uv_signal_init(options->loop, &again->signal);
    again->signal.data = again;
    uv_signal_start(&again->signal, on_hangup, SIGHUP);
    return again;
}

static void
on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void
settings_again_destroy(struct settings_again **again)
{
    if (!*again)
        return;
    uv_close((uv_handle_t *)&(*again)->signal, on_closed);
    signal(SIGHUP, SIG_IGN);
    *again = NULL;
}
