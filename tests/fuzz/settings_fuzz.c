/* The settings of every program, from an environment and flags. What a program takes is within
 * what its table allows. Input: the program, then texts that end with 0: lines of the
 * environment, an empty one, flags. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"

#include "api_settings.h"
#include "gateway_settings.h"
#include "sampler_settings.h"
#include "store_settings.h"
#include "tap_settings.h"

#include "fuzz.h"

#define TEXTS_MAX 24

union settings {
    struct gateway_settings gateway;
    struct sampler_settings sampler;
    struct store_settings store;
    struct api_settings api;
    struct tap_settings tap;
};

static const struct settings_program *const programs[] = {
    &gateway_program,  &sampler_program,    &store_program,      &api_program,
    &tap_live_program, &tap_record_program, &tap_replay_program, &tap_top_program};

static void
check_one(const struct setting *setting, const union settings *settings)
{
    const char *member = (const char *)settings + setting->offset;
    if (setting->type == SETTING_NUMBER) {
        int64_t number = *(const int64_t *)(const void *)member;
        assert(number >= setting->min && number <= setting->max);
    } else if (setting->type != SETTING_SWITCH) {
        const char *text = *(char *const *)(const void *)member;
        int64_t length = text ? (int64_t)strlen(text) : 0;
        assert(!text || setting->type == SETTING_CHOICE || length >= setting->min);
        assert(!setting->max || length <= setting->max);
        assert(!text || setting->type != SETTING_CHOICE || strstr(setting->choices, text));
    }
}

/* Texts up to an empty one, in *texts, which a NULL ends. */
static size_t
take_texts(struct fuzz *fuzz, char *texts[TEXTS_MAX + 1], size_t count)
{
    while (fuzz->left && count < TEXTS_MAX) {
        texts[count] = fuzz_text(fuzz);
        if (!*texts[count])
            break;
        count++;
    }
    free(texts[count]);
    texts[count] = NULL;
    return count;
}

static void
free_texts(char **texts)
{
    for (; *texts; texts++)
        free(*texts);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    union settings settings = {0};
    char *lines[TEXTS_MAX + 1] = {0}, *flags[TEXTS_MAX + 1] = {0}, *moved[TEXTS_MAX + 1];
    char **before = environ;
    int operand;
    const struct settings_program *program =
        programs[fuzz_byte(&fuzz) % (sizeof programs / sizeof *programs)];
    flags[0] = mem_text("program");
    take_texts(&fuzz, lines, 0);
    size_t count = take_texts(&fuzz, flags, 1);
    memcpy(moved, flags, sizeof flags);
    environ = lines;
    int result = settings_read(program, (int)count, moved, &settings, &operand);
    environ = before;
    assert(result == SETTINGS_RUN || result == 0 || result == EXIT_USAGE ||
           result == EXIT_CONFIGURATION);
    if (result == SETTINGS_RUN) {
        assert(operand > 0 && operand <= (int)count);
        for (size_t i = 0; i < program->count; i++)
            check_one(&program->table[i], &settings);
        settings_free(program, &settings);
    }
    free_texts(lines);
    free_texts(flags);
    return 0;
}
