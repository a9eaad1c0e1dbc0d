/* --help and the documented list of a settings table. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "settings_print.h"

#define RANGE_BYTES 160

void
settings_flag(const struct setting *setting, char flag[SETTINGS_FLAG_BYTES])
{
    snprintf(flag, SETTINGS_FLAG_BYTES, "%s%s", setting->name,
             setting->type == SETTING_SECRET || setting->type == SETTING_SPARE_SECRET ? "_FILE"
                                                                                      : "");
    for (char *c = flag; *c; c++)
        *c = *c == '_' ? '-' : (char)tolower((unsigned char)*c);
}

static void
describe_range(const struct setting *setting, char range[RANGE_BYTES])
{
    switch (setting->type) {
    case SETTING_NUMBER:
        snprintf(range, RANGE_BYTES, "%lld to %lld %s", (long long)setting->min,
                 (long long)setting->max, setting->unit);
        return;
    case SETTING_SWITCH:
        snprintf(range, RANGE_BYTES, "true or false");
        return;
    case SETTING_CHOICE:
        snprintf(range, RANGE_BYTES, "%s", setting->choices);
        return;
    case SETTING_ADDRESS:
        snprintf(range, RANGE_BYTES, "IPv4 or IPv6 address");
        return;
    case SETTING_SECRET:
    case SETTING_SPARE_SECRET:
        snprintf(range, RANGE_BYTES, "%lld to %lld characters, from %s or a file%s",
                 (long long)setting->min, (long long)setting->max, setting->name,
                 setting->type == SETTING_SPARE_SECRET ? ", which may be missing or empty"
                                                       : "");
        return;
    case SETTING_TEXT:
    case SETTING_LIST:
        snprintf(range, RANGE_BYTES,
                 setting->type == SETTING_LIST ? "list, comma-separated" : "text");
        return;
    }
}

void
settings_print_help(const struct settings_program *program)
{
    printf("%s - %s\n\nUsage: %s [FLAG VALUE]…%s%s\n\n", program->name, program->purpose,
           program->name, program->operands ? " " : "",
           program->operands ? program->operands : "");
    puts(
        "Each setting is read from its flag or from the environment variable of the same name\n"
        "(--log-level and LOG_LEVEL); the flag wins. An empty variable counts as not given, "
        "an\n"
        "empty flag does not. Secrets come from the environment or a file.\n");
    for (size_t i = 0; i < program->count; i++) {
        const struct setting *setting = &program->table[i];
        char flag[SETTINGS_FLAG_BYTES], range[RANGE_BYTES];
        settings_flag(setting, flag);
        describe_range(setting, range);
        printf("  --%s\n      %s\n      %s", flag, setting->help, range);
        if (setting->fallback)
            printf("; default %s", *setting->fallback ? setting->fallback : "(empty)");
        puts("");
    }
    puts("\n  --help            this text\n  --version         the version\n"
         "  --check           check the settings and exit\n"
         "  --help-markdown   the settings as a Markdown table");
}

void
settings_print_markdown(const struct settings_program *program)
{
    printf("## %s\n\n%s\n\n| setting | default | allowed | what it is |\n| --- | --- | --- | "
           "--- |\n",
           program->name, program->purpose);
    for (size_t i = 0; i < program->count; i++) {
        const struct setting *setting = &program->table[i];
        char range[RANGE_BYTES];
        describe_range(setting, range);
        for (char *bar = range; (bar = strchr(bar, '|')); bar++)
            *bar = ',';
        printf("| `%s` | %s%s%s | %s | %s |\n", setting->name, setting->fallback ? "`" : "",
               setting->fallback ? setting->fallback : "none", setting->fallback ? "`" : "",
               range, setting->help);
    }
    puts("");
}
