/* headcount-tap: an operator's view of the bus. The first argument may name a subcommand. */
#include <string.h>

#include "descriptors.h"
#include "settings.h"

#include "tap_commands.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {{"record", tap_record}, {"replay", tap_replay}, {"top", tap_top}};

int
main(int argc, char **argv)
{
    if (descriptors_raise())
        return EXIT_SYSTEM;
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(argv[1], commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    return tap_live(argc, argv);
}
