/* The loop of a subcommand, from its start to SIGINT, SIGTERM or an end of its own. */
#ifndef TAP_LIFE_H
#define TAP_LIFE_H

#include <stdbool.h>
#include <uv.h>

struct tap_life {
    uv_loop_t loop;
    uv_signal_t interrupt, terminate;
    void (*asked)(void *arg); /* a signal came; NULL: end with 0 at once. May come again */
    void *arg;
    bool ended;
    int status; /* to end with */
};

/* Opens the bus and the loop; signals are taken from now on. asked and arg are kept. */
void tap_life_begin(struct tap_life *life, void (*asked)(void *arg), void *arg);

/* Runs the loop until tap_life_end(), also when that was called before. */
void tap_life_run(struct tap_life *life);

/* Ends the loop; the first status that is not 0 stays. */
void tap_life_end(struct tap_life *life, int status);

/* Once all parts were destroyed: lets their handles close. Returns the status. */
int tap_life_finish(struct tap_life *life);

#endif
