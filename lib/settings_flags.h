/* The command line of a settings table; for settings.c alone. */
#ifndef SETTINGS_FLAGS_H
#define SETTINGS_FLAGS_H

#include "settings.h"

enum settings_action {
    SETTINGS_START,
    SETTINGS_CHECK,
    SETTINGS_HELP,
    SETTINGS_VERSION,
    SETTINGS_MARKDOWN
};

struct settings_flags {
    char **values; /* per setting, owned; NULL: not given */
    enum settings_action action;
    int first_operand; /* in argv, whose operands were moved to its end */
};

/* 0, or -1 with one line in error that names what is wrong (and never a flag's value). Flags
 * must be written in full. A switch without a value means true; a list given again goes on. To
 * be freed in either case. */
int settings_flags_read(const struct settings_program *program, int argc, char **argv,
                        struct settings_flags *flags, char error[SETTINGS_ERROR_BYTES]);
void settings_flags_free(const struct settings_program *program, struct settings_flags *flags);

#endif
