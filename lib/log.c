/* Log lines as text (logfmt) or JSON. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "mem.h"

#define LINE_BYTES 4096 /* of a text line; what is longer is cut */

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static struct {
    const char *service;
    enum log_level least;
    bool json;
} output = {"headcount", LOG_LEVEL_INFO, false};

void
log_setup(const char *service, enum log_level least, bool json)
{
    output.service = service;
    output.least = least;
    output.json = json;
}

static void
write_line(const char *line, size_t length)
{
    while (length) {
        ssize_t written = write(STDERR_FILENO, line, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return; /* nobody left to tell */
        line += written;
        length -= (size_t)written;
    }
}

/* Text that is no UTF-8 is shown byte by byte, as if each was a character. */
static json_t *
make_text(const char *text)
{
    json_t *value = json_string(text);
    if (value)
        return value;
    char *wide = mem_alloc(2 * strlen(text) + 1), *end = wide;
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c >= 0x80)
            *end++ = (char)(0xc0 | *c >> 6);
        *end++ = (char)(*c >= 0x80 ? 0x80 | (*c & 0x3f) : *c);
    }
    value = json_string(wide);
    free(wide);
    return value;
}

static void
write_json(enum log_level level, const char *time, const char *id, const char *text,
           const struct log_field *fields)
{
    json_t *line = json_pack("{ss ss ss ss so}", "time", time, "level", level_names[level],
                             "service", output.service, "id", id, "text", make_text(text));
    for (const struct log_field *field = fields; field->key; field++)
        json_object_set_new(line, field->key,
                            field->text ? make_text(field->text) : json_integer(field->number));
    size_t length = json_dumpb(line, NULL, 0, JSON_COMPACT);
    char *dumped = mem_alloc(length + 1);
    json_dumpb(line, dumped, length, JSON_COMPACT);
    dumped[length] = '\n';
    write_line(dumped, length + 1);
    free(dumped);
    json_decref(line);
}

static bool
is_plain(const char *value)
{
    const char *c = value;
    while (*c > ' ' && *c < 0x7f && !strchr("\"=\\", *c))
        c++;
    return *value && !*c;
}

static void
append_escaped(FILE *line, const char *text, const char *others)
{
    for (const char *c = text; *c; c++) {
        if (strchr(others, *c))
            fprintf(line, "\\%c", *c);
        else if ((unsigned char)*c < ' ' || (unsigned char)*c >= 0x7f)
            fprintf(line, "\\x%02x", (unsigned char)*c);
        else
            fputc(*c, line);
    }
}

/* Appends value to a line, quoted and escaped where it is more than a plain word. */
static void
append_value(FILE *line, const char *value)
{
    if (is_plain(value)) {
        fputs(value, line);
        return;
    }
    fputc('"', line);
    append_escaped(line, value, "\"\\");
    fputc('"', line);
}

static void
write_text(enum log_level level, const char *time, const char *id, const char *text,
           const struct log_field *fields)
{
    char *buffer = NULL;
    size_t length = 0;
    FILE *line = open_memstream(&buffer, &length);
    if (!line)
        return;
    fprintf(line, "%s %-5s %s %s: ", time, level_names[level], output.service, id);
    append_escaped(line, text, "");
    for (const struct log_field *field = fields; field->key; field++) {
        fprintf(line, " %s=", field->key);
        if (field->text)
            append_value(line, field->text);
        else
            fprintf(line, "%lld", (long long)field->number);
    }
    fclose(line);
    if (length > LINE_BYTES - 1)
        length = LINE_BYTES - 1;
    buffer[length] = '\n';
    write_line(buffer, length + 1);
    free(buffer);
}

void
log_write(enum log_level level, const char *id, const char *text,
          const struct log_field *fields)
{
    if (level < output.least)
        return;
    char time[CLOCK_TEXT_BYTES];
    clock_text(clock_wall_ms(), time);
    if (output.json)
        write_json(level, time, id, text, fields);
    else
        write_text(level, time, id, text, fields);
}

static bool
is_allowed(struct log_limit *limit, int64_t mono_ms, int64_t interval_ms, int64_t most,
           int64_t *suppressed)
{
    if (mono_ms >= limit->next_ms) {
        limit->next_ms = mono_ms + interval_ms;
        limit->written = 0;
    }
    if (limit->written >= most) {
        limit->held_back++;
        return false;
    }
    *suppressed = limit->held_back;
    limit->held_back = 0;
    limit->written++;
    return true;
}

bool
log_allowed(struct log_limit *limit, int64_t mono_ms, int64_t interval_ms, int64_t *suppressed)
{
    return is_allowed(limit, mono_ms, interval_ms, 1, suppressed);
}

bool
log_allowed_burst(struct log_limit *limit, int64_t mono_ms, int64_t interval_ms,
                  int64_t *suppressed)
{
    return is_allowed(limit, mono_ms, interval_ms, LOG_BURST, suppressed);
}
