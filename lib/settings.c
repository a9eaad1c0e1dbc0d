/* Table → parsed settings. In: environment and argv; out: a filled struct or one clear line. */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "address.h"
#include "log.h"
#include "mem.h"
#include "secret_file.h"
#include "settings.h"
#include "settings_flags.h"
#include "settings_print.h"

#define PREFIX "headcount-"
#define SECRET_BYTES 8192 /* more than any may have: none is cut short unnoticed */

struct reader {
    const struct settings_program *program;
    char *settings; /* the caller's struct */
    struct settings_flags flags;
    bool runs; /* the program: its log is set up, and other threads may write to it */
    char error[SETTINGS_ERROR_BYTES];
};

static void
start_log(const struct common_settings *common, const char *service)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    enum log_level level = LOG_LEVEL_DEBUG;
    while (level < LOG_LEVEL_ERROR && strcmp(names[level], common->log_level))
        level++;
    log_setup(service, level, !strcmp(common->log_format, "json"));
}

static int
fail(struct reader *reader, const char *name, const char *problem, const char *allowed)
{
    snprintf(reader->error, sizeof reader->error, "%s: %s; allowed: %s", name, problem,
             allowed);
    return -1;
}

static void *
find_member(struct reader *reader, const struct setting *setting)
{
    return reader->settings + setting->offset;
}

static void
set_text(struct reader *reader, const struct setting *setting, const char *value)
{
    char **member = find_member(reader, setting);
    free(*member);
    *member = mem_text(value);
}

static int
take_text(struct reader *reader, const struct setting *setting, const char *value)
{
    size_t length = strlen(value);
    if ((int64_t)length < setting->min || (setting->max && (int64_t)length > setting->max)) {
        char problem[64], allowed[64];
        snprintf(problem, sizeof problem, "is %zu characters long", length);
        if (setting->max)
            snprintf(allowed, sizeof allowed, "%lld to %lld characters",
                     (long long)setting->min, (long long)setting->max);
        else
            snprintf(allowed, sizeof allowed, "at least %lld characters",
                     (long long)setting->min);
        return fail(reader, setting->name, problem, allowed);
    }
    set_text(reader, setting, value);
    return 0;
}

static int
take_number(struct reader *reader, const struct setting *setting, const char *value)
{
    char *end, problem[96], allowed[96];
    errno = 0;
    long long number = strtoll(value, &end, 10);
    bool begins = *value == '-' || (*value >= '0' && *value <= '9');
    bool whole = begins && end != value && !*end;
    if (whole && !errno && number >= setting->min && number <= setting->max) {
        *(int64_t *)find_member(reader, setting) = number;
        return 0;
    }
    snprintf(problem, sizeof problem, "'%.40s' is %s", value,
             whole ? "out of range" : "not a whole number");
    snprintf(allowed, sizeof allowed, "%lld to %lld %s", (long long)setting->min,
             (long long)setting->max, setting->unit);
    return fail(reader, setting->name, problem, allowed);
}

static int
take_switch(struct reader *reader, const struct setting *setting, const char *value)
{
    bool on = !strcmp(value, "true") || !strcmp(value, "1");
    if (!on && strcmp(value, "false") && strcmp(value, "0")) {
        char problem[96];
        snprintf(problem, sizeof problem, "'%.40s' is no switch", value);
        return fail(reader, setting->name, problem, "true or false");
    }
    *(bool *)find_member(reader, setting) = on;
    return 0;
}

static int
take_choice(struct reader *reader, const struct setting *setting, const char *value)
{
    size_t length = strlen(value);
    const char *choice = setting->choices;
    while (length) {
        size_t width = strcspn(choice, "|");
        if (width == length && !strncmp(choice, value, width)) {
            set_text(reader, setting, value);
            return 0;
        }
        if (!choice[width])
            break;
        choice += width + 1;
    }
    char problem[96];
    snprintf(problem, sizeof problem, "'%.40s' is no choice", value);
    return fail(reader, setting->name, problem, setting->choices);
}

static int
take_address(struct reader *reader, const struct setting *setting, const char *value)
{
    union address_place place;
    char problem[96];
    if (address_place(value, 0, &place)) {
        set_text(reader, setting, value);
        return 0;
    }
    snprintf(problem, sizeof problem, "'%.40s' is no address", value);
    return fail(reader, setting->name, problem, "an IPv4 or IPv6 address");
}

static int
take_value(struct reader *reader, const struct setting *setting, const char *value)
{
    switch (setting->type) {
    case SETTING_NUMBER:
        return take_number(reader, setting, value);
    case SETTING_SWITCH:
        return take_switch(reader, setting, value);
    case SETTING_CHOICE:
        return take_choice(reader, setting, value);
    case SETTING_ADDRESS:
        return take_address(reader, setting, value);
    case SETTING_TEXT:
    case SETTING_LIST:
    case SETTING_SECRET:
    case SETTING_SPARE_SECRET:
        break;
    }
    return take_text(reader, setting, value);
}

static bool
is_secret(const struct setting *setting)
{
    return setting->type == SETTING_SECRET || setting->type == SETTING_SPARE_SECRET;
}

/* A secret travels in headers and URIs: what those do not carry could never match. */
static int
take_secret_text(struct reader *reader, const struct setting *setting, const char *value)
{
    size_t length = strlen(value);
    bool fits = !length || (*value != ' ' && value[length - 1] != ' ');
    for (const char *c = value; *c && fits; c++)
        fits = !iscntrl((unsigned char)*c);
    if (!fits)
        return fail(reader, setting->name, "has a space at an end, or a control character",
                    "neither");
    return take_text(reader, setting, value);
}

static int
take_secret_file(struct reader *reader, const struct setting *setting, const char *path)
{
    char line[SECRET_BYTES], text[SETTINGS_ERROR_BYTES / 2];
    const char *problem;
    enum secret_file found = secret_file_read(path, line, sizeof line, &problem);
    if (found == SECRET_FILE_NONE && setting->type == SETTING_SPARE_SECRET)
        return 0;
    int result = -1;
    if (found == SECRET_FILE_READ) {
        result = take_secret_text(reader, setting, line);
    } else {
        snprintf(text, sizeof text, "cannot read its file '%.100s' (%s)", path, problem);
        fail(reader, setting->name, text, "a readable file with the value in it");
    }
    explicit_bzero(line, sizeof line);
    return result;
}

/* NULL: none is given. */
static const char *
find_path(const struct setting *setting, const char *flag)
{
    char variable[128];
    snprintf(variable, sizeof variable, "%s_FILE", setting->name);
    const char *path = flag ? flag : getenv(variable);
    return path && *path ? path : NULL;
}

static int
take_secret(struct reader *reader, const struct setting *setting, const char *flag)
{
    const char *path = find_path(setting, flag);
    if (path)
        return take_secret_file(reader, setting, path);
    const char *value = getenv(setting->name);
    return value && *value ? take_secret_text(reader, setting, value) : 0;
}

static int
read_one(struct reader *reader, size_t index)
{
    const struct setting *setting = &reader->program->table[index];
    const char *flag = reader->flags.values[index];
    if (is_secret(setting))
        return take_secret(reader, setting, flag);
    const char *variable = getenv(setting->name);
    const char *value = flag ? flag : variable && *variable ? variable : setting->fallback;
    return value ? take_value(reader, setting, value) : 0;
}

/* Shows what was asked for. False: nothing but the settings. */
static bool
show(const struct settings_program *program, enum settings_action action)
{
    if (action == SETTINGS_HELP)
        settings_print_help(program);
    else if (action == SETTINGS_MARKDOWN)
        settings_print_markdown(program);
    else if (action == SETTINGS_VERSION)
        printf("%s %s\n", program->name, HEADCOUNT_VERSION);
    return action > SETTINGS_CHECK;
}

static int
read_all(struct reader *reader)
{
    const struct settings_program *program = reader->program;
    for (size_t i = 0; i < program->count; i++) {
        if (read_one(reader, i))
            return -1;
    }
    if (!program->check)
        return 0;
    return program->check(reader->settings, reader->error, sizeof reader->error);
}

/* The log is started as set, before settings_start() does that. */
static void
start_own_log(struct reader *reader)
{
    const struct settings_program *program = reader->program;
    for (size_t i = 0; i < program->count; i++)
        if (!strcmp(program->table[i].name, "LOG_LEVEL"))
            start_log(find_member(reader, &program->table[i]), program->name + strlen(PREFIX));
}

/* Tells of keys that may be missing, and are: their files' names may be mistyped. */
static void
note_missing_spares(struct reader *reader)
{
    for (size_t i = 0; i < reader->program->count; i++) {
        const struct setting *setting = &reader->program->table[i];
        const char *path = find_path(setting, reader->flags.values[i]);
        char **key = find_member(reader, setting);
        if (setting->type != SETTING_SPARE_SECRET || !path || *key)
            continue;
        if (!reader->runs)
            start_own_log(reader);
        log_info("settings.no_spare",
                 "the file of a key that may be missing is missing or empty",
                 LOG_STR("setting", setting->name), LOG_STR("file", path));
    }
}

/* Returns SETTINGS_RUN or the exit status to end with. */
static int
read_settings(struct reader *reader, int argc, char **argv)
{
    if (settings_flags_read(reader->program, argc, argv, &reader->flags, reader->error))
        return EXIT_USAGE;
    if (show(reader->program, reader->flags.action))
        return 0;
    if (read_all(reader))
        return EXIT_CONFIGURATION;
    note_missing_spares(reader);
    if (reader->flags.action != SETTINGS_CHECK)
        return SETTINGS_RUN;
    printf("%s: settings are valid\n", reader->program->name);
    return 0;
}

/* Returns SETTINGS_RUN or the exit status; what is wrong stands in reader.error, as one line
 * that moves no cursor, whatever value it repeats. */
static int
read_into(struct reader *reader, int argc, char **argv, int *first_operand)
{
    int status = read_settings(reader, argc, argv);
    for (char *c = reader->error; *c; c++)
        if (iscntrl((unsigned char)*c))
            *c = '?';
    if (first_operand)
        *first_operand = reader->flags.first_operand;
    settings_flags_free(reader->program, &reader->flags);
    if (status != SETTINGS_RUN)
        settings_free(reader->program, reader->settings);
    return status;
}

int
settings_read(const struct settings_program *program, int argc, char **argv, void *settings,
              int *first_operand)
{
    struct reader reader = {.program = program, .settings = settings};
    int status = read_into(&reader, argc, argv, first_operand);
    if (*reader.error)
        fprintf(stderr, "%s: %s\n", program->name, reader.error);
    return status;
}

int
settings_reread(const struct settings_program *program, int argc, char **argv, void *settings,
                char error[SETTINGS_ERROR_BYTES])
{
    struct reader reader = {.program = program, .settings = settings, .runs = true};
    int status = read_into(&reader, argc, argv, NULL);
    memcpy(error, reader.error, SETTINGS_ERROR_BYTES);
    return status;
}

void
settings_free(const struct settings_program *program, void *settings)
{
    for (size_t i = 0; i < program->count; i++) {
        const struct setting *setting = &program->table[i];
        if (setting->type == SETTING_NUMBER || setting->type == SETTING_SWITCH)
            continue;
        char **member = (char **)((char *)settings + setting->offset);
        if (*member && is_secret(setting))
            explicit_bzero(*member, strlen(*member));
        free(*member);
        *member = NULL;
    }
}

void
settings_start(const struct common_settings *common, const char *service)
{
    const struct rlimit none = {0, 0};
    start_log(common, service);
    if (!common->core_files)
        setrlimit(RLIMIT_CORE, &none);
    umask(umask(0) | S_IRWXO);
}
