/* How a settings table is shown to people; for settings.c alone. */
#ifndef SETTINGS_PRINT_H
#define SETTINGS_PRINT_H

#include "settings.h"

#define SETTINGS_FLAG_BYTES 128

/* The flag of a setting without its dashes: BUS_HWM gives bus-hwm, a secret KEY key-file. */
void settings_flag(const struct setting *setting, char flag[SETTINGS_FLAG_BYTES]);

void settings_print_help(const struct settings_program *program);     /* to stdout */
void settings_print_markdown(const struct settings_program *program); /* a table, to stdout */

#endif
