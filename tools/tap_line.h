/* A message as a line for people or for scripts. Pure but for memory. */
#ifndef TAP_LINE_H
#define TAP_LINE_H

#include "message.h"

#include "tap_gaps.h"

/* A line with its end, which the caller frees; NULL: nothing to show (begin and end of an
 * answer, for people). */
char *tap_line(const struct message *message, bool json);

/* The same of news, which came at time_ms; never NULL. */
char *tap_news_line(const struct tap_news *news, int64_t time_ms, bool json);

#endif
