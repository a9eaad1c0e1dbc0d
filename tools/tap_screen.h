/* The terminal as the top uses it, by ncurses: whole frames out, keys in. At most one at a
 * time. One thread. */
#ifndef TAP_SCREEN_H
#define TAP_SCREEN_H

#include <stddef.h>

#include "tap_frame.h"

struct tap_screen;

/* Takes the terminal of stdout (and stdin, for keys) over. NULL when its type is unknown. */
struct tap_screen *tap_screen_new(void);

/* Gives the terminal back as it was. */
void tap_screen_destroy(struct tap_screen **screen);

/* Once the terminal has another size. */
void tap_screen_resize(struct tap_screen *screen);

void tap_screen_size(const struct tap_screen *screen, size_t *width, size_t *height);

/* Draws what changed, unless the terminal takes nothing now. */
void tap_screen_draw(struct tap_screen *screen, const struct tap_frame_line *lines,
                     size_t count);

/* The next key that was pressed; 0: none. */
int tap_screen_key(struct tap_screen *screen);

#endif
