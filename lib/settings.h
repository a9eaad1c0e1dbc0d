/* Settings of one program, from one table: the table gives parsing (environment and flags),
 * --help, --check and the documented list, so none of them can lag behind. Read once, before
 * any thread starts, into a struct of the caller's that is const from then on.
 *
 * A setting NAME_LIKE_THIS is read from that environment variable or from --name-like-this
 * VALUE (or =VALUE; a switch may come without); the flag wins. An empty variable counts as not
 * given, an empty flag does not. Secrets are never taken from arguments: NAME holds the
 * value or NAME_FILE (--name-file PATH) names a file whose first line is the value. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EXIT_USAGE = 100,         /* the command line is wrong */
    EXIT_CONFIGURATION = 102, /* a setting is missing or out of range */
    EXIT_SYSTEM = 111         /* the machine refuses: a port, a file, a library */
};

enum setting_type {
    SETTING_TEXT,    /* char *: min and max are lengths in bytes */
    SETTING_NUMBER,  /* int64_t: min and max are values */
    SETTING_SWITCH,  /* bool: true or false */
    SETTING_CHOICE,  /* char *: one of choices, "text|json" */
    SETTING_LIST,    /* char *: like text; its flag may be repeated, the values joined by ',' */
    SETTING_ADDRESS, /* char *: an IPv4 or IPv6 address */
    SETTING_SECRET,  /* char *: like text, from the environment or a file only */
    SETTING_SPARE_SECRET /* the same; not given while its file is missing or empty */
};

struct setting {
    const char *name; /* NAME_LIKE_THIS */
    enum setting_type type;
    size_t offset;        /* of the member in the settings struct */
    const char *fallback; /* as text; NULL: no default, stays NULL (0, false) when not given */
    int64_t min, max;
    const char *unit;    /* "ms", "bytes", "" */
    const char *choices; /* SETTING_CHOICE only */
    const char *help;    /* one sentence */
};

struct settings_program {
    const char *name;     /* headcount-gateway */
    const char *purpose;  /* one sentence */
    const char *operands; /* what follows the flags, "ENDPOINT…"; NULL: nothing may */
    const struct setting *table;
    size_t count;
    /* Checks what spans settings. 0, or -1 after writing one line that names what is wrong and
     * what is allowed. May be NULL. */
    int (*check)(const void *settings, char *error, size_t error_bytes);
};

#define SETTINGS_RUN (-1)

/* Fills *settings (zeroed by the caller). Returns SETTINGS_RUN with *first_operand an index
 * into argv (operands are moved behind the flags), or the exit status to end with: 0 after
 * --help, --version, --check or
 * --help-markdown, EXIT_USAGE or EXIT_CONFIGURATION after one line on stderr. */
int settings_read(const struct settings_program *program, int argc, char **argv, void *settings,
                  int *first_operand);

#define SETTINGS_ERROR_BYTES 512

/* The same for a program that runs: the line goes to *error. */
int settings_reread(const struct settings_program *program, int argc, char **argv,
                    void *settings, char error[SETTINGS_ERROR_BYTES]);

/* Frees the texts that these made. */
void settings_free(const struct settings_program *program, void *settings);

/* What every service has; embed as the first members and rows. */
struct common_settings {
    char *log_level;
    char *log_format;
    bool core_files;
};
#define SETTINGS_COMMON(type_, member_)                                                        \
    {                                                                                          \
        "LOG_LEVEL",                                                                           \
        SETTING_CHOICE,                                                                        \
        offsetof(type_, member_.log_level),                                                    \
        "info",                                                                                \
        0,                                                                                     \
        0,                                                                                     \
        "",                                                                                    \
        "debug|info|warn|error",                                                               \
        "The least severe log lines to write."},                                               \
        {"LOG_FORMAT", SETTING_CHOICE, offsetof(type_, member_.log_format), "text", 0, 0,      \
         "",           "text|json",    "How log lines are written."},                          \
    {                                                                                          \
        "CORE_FILES", SETTING_SWITCH, offsetof(type_, member_.core_files), "false", 0, 0, "",  \
            NULL, "Whether a crash may leave a core file: it holds the keys."                  \
    }

/* Starts the log as set, allows core files only if they are wanted, and takes from others (not
 * from the group) what they could do with files and sockets made from now on. service: borrowed
 * for good. Main thread, before any other starts. */
void settings_start(const struct common_settings *common, const char *service);

#endif
