/* In: argv. Out: each setting's value as text, and which of --help and the like was asked for.
 * getopt_long() would take abbreviations, and --internal-api-key for --internal-api-key-file.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "settings_flags.h"
#include "settings_print.h"

static const struct {
    const char *name;
    enum settings_action action;
} general[] = {{"help", SETTINGS_HELP},
               {"version", SETTINGS_VERSION},
               {"check", SETTINGS_CHECK},
               {"help-markdown", SETTINGS_MARKDOWN}};

static int
fail(char error[SETTINGS_ERROR_BYTES], const char *what, size_t length, const char *problem,
     const char *allowed)
{
    snprintf(error, SETTINGS_ERROR_BYTES, "%.*s: %s; allowed: %s",
             (int)(length < 100 ? length : 100), what, problem, allowed);
    return -1;
}

/* The row whose flag is name; the table's count when none is. */
static size_t
find_setting(const struct settings_program *program, const char *name, size_t length)
{
    size_t row = 0;
    for (; row < program->count; row++) {
        char flag[SETTINGS_FLAG_BYTES];
        settings_flag(&program->table[row], flag);
        if (strlen(flag) == length && !memcmp(flag, name, length))
            break;
    }
    return row;
}

/* Takes "--help" and the like. --check waits for the others. */
static bool
take_general(struct settings_flags *flags, const char *name)
{
    for (size_t i = 0; i < sizeof general / sizeof *general; i++) {
        if (strcmp(name, general[i].name))
            continue;
        if (flags->action <= SETTINGS_CHECK)
            flags->action = general[i].action;
        return true;
    }
    return false;
}

static void
keep_value(const struct setting *setting, char **kept, const char *value)
{
    char *old = *kept;
    *kept = old && setting->type == SETTING_LIST ? mem_format("%s,%s", old, value)
                                                 : mem_text(value);
    free(old);
}

static bool
is_switch_value(const char *text)
{
    return text && (!strcmp(text, "true") || !strcmp(text, "false"));
}

/* Takes one flag and its value, which may be the next argument. Returns how many arguments that
 * were, or -1. */
static int
take_flag(const struct settings_program *program, char **argv, struct settings_flags *flags,
          char error[SETTINGS_ERROR_BYTES])
{
    const char *argument = *argv, *name = argument + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] ? name + length + 1 : argv[1];
    int used = name[length] ? 1 : 2;
    if (!strncmp(argument, "--", 2) && take_general(flags, name))
        return 1;
    size_t row =
        strncmp(argument, "--", 2) ? program->count : find_setting(program, name, length);
    if (row == program->count)
        return fail(error, argument, strcspn(argument, "="), "unknown flag",
                    "the flags that --help lists, written in full");
    const struct setting *setting = &program->table[row];
    if (setting->type == SETTING_SWITCH && used == 2 && !is_switch_value(value)) {
        value = "true";
        used = 1;
    }
    if (!value)
        return fail(error, argument, strlen(argument), "needs a value", "a value after it");
    keep_value(setting, &flags->values[row], value);
    return used;
}

/* Moves what follows the flags behind them, keeping its order. */
static void
move_operands(int argc, char **argv, char **operands, int count)
{
    for (int i = 0; i < count; i++)
        argv[argc - count + i] = operands[i];
}

static int
read_arguments(const struct settings_program *program, int argc, char **argv,
               struct settings_flags *flags, char **operands, char error[SETTINGS_ERROR_BYTES])
{
    int count = 0;
    bool flags_end = false;
    for (int i = 1; i < argc;) {
        bool flag = !flags_end && argv[i][0] == '-' && argv[i][1];
        if (flag && !strcmp(argv[i], "--")) {
            flags_end = true;
            i++;
        } else if (flag) {
            int used = take_flag(program, argv + i, flags, error);
            if (used < 0)
                return -1;
            i += used;
        } else {
            operands[count++] = argv[i++];
        }
    }
    if (count && !program->operands && flags->action <= SETTINGS_CHECK)
        return fail(error, operands[0], strlen(operands[0]), "unexpected operand",
                    "flags only, see --help");
    move_operands(argc, argv, operands, count);
    flags->first_operand = argc - count;
    return 0;
}

int
settings_flags_read(const struct settings_program *program, int argc, char **argv,
                    struct settings_flags *flags, char error[SETTINGS_ERROR_BYTES])
{
    *flags = (struct settings_flags){.first_operand = argc};
    flags->values = mem_alloc(program->count * sizeof *flags->values);
    char **operands = mem_alloc((size_t)argc * sizeof *operands);
    int result = read_arguments(program, argc, argv, flags, operands, error);
    free(operands);
    return result;
}

void
settings_flags_free(const struct settings_program *program, struct settings_flags *flags)
{
    for (size_t i = 0; i < program->count; i++)
        free(flags->values[i]);
    free(flags->values);
}
