/* SIGHUP: the settings are read once more, from the same arguments, environment and files, for
 * what may change while a service runs: its keys. What is wrong is told in the log, and nothing
 * changes. Lives in the loop; one thread. */
#ifndef SETTINGS_AGAIN_H
#define SETTINGS_AGAIN_H

#include <uv.h>

#include "settings.h"

struct settings_again;

/* settings: valid ones, freed after the call. True: something was different and is taken. */
typedef bool settings_again_f(void *arg, const void *settings);

struct settings_again_options {
    uv_loop_t *loop;
    const struct settings_program *program;
    size_t settings_bytes; /* of its struct */
    int argc;
    char **argv; /* main()'s */
    settings_again_f *take;
    void *arg;
};

struct settings_again *settings_again_new(const struct settings_again_options *options);
/* From then on SIGHUP is ignored: one would end the process while it stops. */
void settings_again_destroy(struct settings_again **again);

#endif
