/* How long a graceful stop may take. */
#ifndef STOP_LIMIT_H
#define STOP_LIMIT_H

#include <stdint.h>

/* Ends the process with status 0 when it still runs after limit_ms (> 0), whatever its threads
 * are waiting for; says so on stderr. For programs that lose nothing when they are killed. */
void stop_limit_start(int64_t limit_ms);

/* After the loop's own signal handles were closed: neither a further SIGTERM or SIGINT nor a
 * SIGHUP ends the process while it finishes. */
void stop_signals_ignore(void);

#endif
