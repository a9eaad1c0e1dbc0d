/* The samplers' counts of the auctions that have viewers here, from a SUB socket. What they
 * mean is decided in follow.c. Lives in the loop; one thread. */
#ifndef COUNT_INTAKE_H
#define COUNT_INTAKE_H

#include <stdint.h>
#include <uv.h>

#include "metrics.h"

#include "audience.h"

struct count_intake;

struct count_intake_options {
    const char *endpoints; /* "": no sampler, our own counts are shown */
    int64_t discovery_interval_ms;
    int64_t silence_ms;
    int64_t hwm;
};

/* The number of viewers elsewhere changed. */
typedef void count_intake_changed_f(void *arg, struct auction *auction);

/* audience, metrics: borrowed. NULL with the reason in error. */
struct count_intake *count_intake_new(uv_loop_t *loop,
                                      const struct count_intake_options *options,
                                      const struct audience *audience, struct metrics *metrics,
                                      char *error, size_t error_bytes);
void count_intake_set_changed(struct count_intake *intake, count_intake_changed_f *changed,
                              void *arg);
void count_intake_destroy(struct count_intake **intake);

/* The auction's first viewer came; its last one left. */
void count_intake_watch(struct count_intake *intake, struct auction *auction);
void count_intake_unwatch(struct count_intake *intake, struct auction *auction);

#endif
