/* What the tap is told: which messages to show and how. Read once, const from then on. */
#ifndef TAP_SETTINGS_H
#define TAP_SETTINGS_H

#include <stdbool.h>

#include "message.h"
#include "settings.h"

struct tap_settings {
    struct common_settings common;
    char *auction; /* ids, comma-separated; NULL: all */
    char *kind;    /* names, comma-separated; NULL: all (with auctions: all that name one) */
    bool json;
    int64_t bus_hwm;
};

extern const struct settings_program tap_program;

/* Whether messages of the kind are to be shown. */
bool tap_shows(const struct tap_settings *settings, enum message_kind kind);

/* Takes the next name of a comma-separated list, moving past it: its length, or 0 at the end.
 */
size_t tap_next_name(const char **list, const char **name);

#endif
