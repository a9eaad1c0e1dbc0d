/* Clock readings and the one text form of a time. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"

#define FIRST_MS (-62167219200000LL) /* the year 0 begins, in UTC */
#define LAST_MS 253402300799999LL    /* the year 9999 ends */

static int64_t
read_ms(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
clock_wall_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

int64_t
clock_mono_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

void
clock_text(int64_t wall_ms, char text[CLOCK_TEXT_BYTES])
{
    int64_t seconds_rounded = wall_ms / 1000, fraction_ms = wall_ms % 1000;
    time_t seconds = (time_t)(seconds_rounded - (fraction_ms < 0));
    if (fraction_ms < 0)
        fraction_ms += 1000;
    struct tm utc;
    if (!gmtime_r(&seconds, &utc)) {
        snprintf(text, CLOCK_TEXT_BYTES, "?");
        return;
    }
    size_t length = (size_t)snprintf(text, CLOCK_TEXT_BYTES, "%04lld", utc.tm_year + 1900LL);
    length += strftime(text + length, CLOCK_TEXT_BYTES - length, "-%m-%dT%H:%M:%S", &utc);
    if (fraction_ms)
        snprintf(text + length, CLOCK_TEXT_BYTES - length, ".%03dZ", (int)fraction_ms);
    else
        snprintf(text + length, CLOCK_TEXT_BYTES - length, "Z");
}

/* Reads exactly `digits` digits from *at and moves past them; -1 when there are fewer. */
static int
take_number(const char **at, int digits)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        char c = (*at)[i];
        if (c < '0' || c > '9')
            return -1;
        value = value * 10 + (c - '0');
    }
    *at += digits;
    return value;
}

static bool
take_mark(const char **at, char mark)
{
    if (**at != mark)
        return false;
    (*at)++;
    return true;
}

static int
take_date(const char **at, struct tm *utc)
{
    int year = take_number(at, 4);
    bool dash1 = year >= 0 && take_mark(at, '-');
    int month = dash1 ? take_number(at, 2) : -1;
    bool dash2 = month >= 0 && take_mark(at, '-');
    int day = dash2 ? take_number(at, 2) : -1;
    if (day < 1 || month < 1 || month > 12)
        return -1;
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > lengths[month - 1] + (month == 2 && leap))
        return -1;
    utc->tm_year = year - 1900;
    utc->tm_mon = month - 1;
    utc->tm_mday = day;
    return 0;
}

static int
take_time(const char **at, struct tm *utc, int *fraction_ms)
{
    utc->tm_hour = take_number(at, 2);
    if (utc->tm_hour < 0 || utc->tm_hour > 23 || !take_mark(at, ':'))
        return -1;
    utc->tm_min = take_number(at, 2);
    if (utc->tm_min < 0 || utc->tm_min > 59 || !take_mark(at, ':'))
        return -1;
    utc->tm_sec = take_number(at, 2);
    if (utc->tm_sec < 0 || utc->tm_sec > 59)
        return -1;
    *fraction_ms = 0;
    if (!take_mark(at, '.'))
        return 0;
    int scale = 100, digits = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++, digits++, scale /= 10)
        *fraction_ms += scale * (**at - '0');
    return digits ? 0 : -1;
}

static int
take_zone(const char **at, int *offset_minutes)
{
    *offset_minutes = 0;
    if (take_mark(at, 'Z'))
        return 0;
    int sign = **at == '+' ? 1 : **at == '-' ? -1 : 0;
    if (!sign)
        return -1;
    (*at)++;
    int hours = take_number(at, 2);
    take_mark(at, ':');
    int minutes = hours < 0 ? -1 : take_number(at, 2);
    if (hours > 23 || minutes < 0 || minutes > 59)
        return -1;
    *offset_minutes = sign * (hours * 60 + minutes);
    return 0;
}

int
clock_parse(const char *text, int64_t *wall_ms)
{
    struct tm utc = {0};
    int fraction_ms, offset_minutes;
    if (take_date(&text, &utc) || !take_mark(&text, 'T') ||
        take_time(&text, &utc, &fraction_ms) || take_zone(&text, &offset_minutes) || *text)
        return -1;
    int64_t found_ms = ((int64_t)timegm(&utc) - offset_minutes * 60) * 1000 + fraction_ms;
    if (found_ms < FIRST_MS || found_ms > LAST_MS)
        return -1;
    *wall_ms = found_ms;
    return 0;
}
