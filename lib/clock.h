/* The clocks of the shells; pure cores are handed times and never call this (any thread). */
#ifndef CLOCK_H
#define CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define CLOCK_TEXT_BYTES 32

int64_t clock_wall_ms(void); /* since 1970-01-01T00:00:00Z; may step either way */
int64_t clock_mono_ms(void); /* from an arbitrary start; never goes back */

/* Writes wall_ms as "2025-10-21T14:15:00Z", with ".250" only where there is a fraction. */
void clock_text(int64_t wall_ms, char text[CLOCK_TEXT_BYTES]);

/* Reads an ISO 8601 date and time with a zone ("Z" or "+02:00"), any fraction of a second (cut
 * to ms). 0 and *wall_ms, or -1 when the text is anything else, no real date, or in UTC not of
 * the years 0 to 9999. */
int clock_parse(const char *text, int64_t *wall_ms);

#endif
