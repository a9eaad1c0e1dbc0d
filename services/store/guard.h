/* What is remembered of auctions' enable flags: a bounded cache. Pure: it is handed the time
 * and the flags that were read. One thread. */
#ifndef GUARD_H
#define GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guard;

/* Flags older than fresh_ms count as unknown; at most capacity auctions are remembered (when it
 * is full, all are forgotten: they are read again soon anyway). */
struct guard *guard_new(int64_t fresh_ms, size_t capacity);
void guard_destroy(struct guard **guard);

/* True with *enabled when the flag is known well enough at mono_ms. */
bool guard_lookup(const struct guard *guard, const char *auction, int64_t mono_ms,
                  bool *enabled);

/* Makes room for count more auctions (at most the capacity), so that noting them forgets none
 * of the others noted since. */
void guard_reserve(struct guard *guard, size_t count);

/* Notes a flag read from, or just written to, the database at mono_ms. */
void guard_note(struct guard *guard, const char *auction, bool enabled, int64_t mono_ms);

#endif
