/* A message as a line for people or for scripts. Pure but for memory. */
#ifndef TAP_LINE_H
#define TAP_LINE_H

#include "message.h"

#include "tap_gaps.h"

/* A line with its end, which the caller frees; NULL: nothing to show (begin and end of an
 * answer, for people). */
char *tap_line(const struct message *message, bool json);

/* The same of sequences that the message showed to be missed. */
char *tap_gap_line(const struct message *message, const struct tap_gap *gap, bool json);

#endif
