/* Messages as lines on stdout, what was missed and lost among them; for the live tap and for
 * replays. Loop thread. */
#ifndef TAP_SHOW_H
#define TAP_SHOW_H

#include <stdbool.h>
#include <stdint.h>

#include "message.h"

#include "tap_life.h"
#include "tap_settings.h"

struct tap_show;

/* room: there is room again after tap_show_take() said that there is none. When stdout is
 * closed the life ends, with EXIT_SYSTEM if it refuses. NULL after a line in the log. settings
 * are borrowed. */
struct tap_show *tap_show_new(struct tap_life *life, const struct tap_settings *settings,
                              int64_t mono_ms, void (*room)(void *arg), void *arg);
void tap_show_destroy(struct tap_show **show);

/* Shows the message if the settings ask for it. Returns whether there is room for more. */
bool tap_show_take(struct tap_show *show, const struct message *message, int64_t mono_ms);

/* Silence of nodes; to be called a few times a second, while messages are taken. */
void tap_show_tick(struct tap_show *show, int64_t mono_ms, int64_t wall_ms);

/* Whether stdout has taken all that was shown; hands over what it takes now. */
bool tap_show_done(struct tap_show *show);

#endif
