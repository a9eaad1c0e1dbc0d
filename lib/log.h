/* One line a fact on stderr: time, level, a stable id, a sentence, key=value pairs (or one JSON
 * object). Nothing that happens per message is logged above debug, no personal data and no
 * secret at any level. Any thread; a line is written by one write(). */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

struct log_field {
    const char *key;  /* NULL ends the list */
    const char *text; /* NULL: number counts */
    int64_t number;
};

static inline const char *
log_value(const char *value)
{
    return value ? value : "";
}

#define LOG_STR(k, v)                                                                          \
    {                                                                                          \
        .key = (k), .text = log_value(v), .number = 0                                          \
    }
#define LOG_INT(k, v)                                                                          \
    {                                                                                          \
        .key = (k), .text = 0, .number = (v)                                                   \
    }
#define LOG_NONE                                                                               \
    {                                                                                          \
        .key = 0, .text = 0, .number = 0                                                       \
    }

/* Once, before threads start. service: borrowed for good. */
void log_setup(const char *service, enum log_level least, bool json);

/* fields end with a NULL key. Text and values may hold any bytes: they are escaped, and values
 * quoted. */
void log_write(enum log_level level, const char *id, const char *text,
               const struct log_field *fields);

#define LOG_AT(level, id, text, ...)                                                           \
    log_write((level), (id), (text), (const struct log_field[]){__VA_ARGS__, LOG_NONE})
#define log_debug(id, text, ...) LOG_AT(LOG_LEVEL_DEBUG, id, text, __VA_ARGS__)
#define log_info(id, text, ...) LOG_AT(LOG_LEVEL_INFO, id, text, __VA_ARGS__)
#define log_warn(id, text, ...) LOG_AT(LOG_LEVEL_WARN, id, text, __VA_ARGS__)
#define log_error(id, text, ...) LOG_AT(LOG_LEVEL_ERROR, id, text, __VA_ARGS__)

/* For what may come in floods: true when a line may be written now (at most one per
 * interval_ms), with the number held back since the last one in *suppressed. Zero-initialised;
 * one thread. */
struct log_limit {
    int64_t next_ms;   /* when the interval that the last line was in is over, monotonic */
    int64_t written;   /* lines of that interval */
    int64_t held_back; /* lines not written since the last one */
};
bool log_allowed(struct log_limit *limit, int64_t mono_ms, int64_t interval_ms,
                 int64_t *suppressed);

/* The same for what seldom comes, and often at a time: at most LOG_BURST per interval_ms. */
#define LOG_BURST 100
bool log_allowed_burst(struct log_limit *limit, int64_t mono_ms, int64_t interval_ms,
                       int64_t *suppressed);

#endif
