/* Wrong keys, per address: who has given too many is not listened to for a while, whatever key
 * comes next, since an answer to a right one would be what a guesser waits for. Bounded: of
 * GUESSES_ADDRESSES addresses the one that guessed longest ago is forgotten. Any thread. */
#ifndef GUESSES_H
#define GUESSES_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"

#define GUESSES_ADDRESSES 4096

struct guesses;

/* per_minute: wrong keys of one address (IPv6: network of 64 bits), as many at once; 0: no
 * limit. */
struct guesses *guesses_new(int64_t per_minute);
void guesses_destroy(struct guesses **guesses);

/* Whether the address is listened to; mono_ms: any monotonic time. */
bool guesses_allowed(struct guesses *guesses, const struct address *address, int64_t mono_ms);

/* It gave a wrong key. */
void guesses_note(struct guesses *guesses, const struct address *address, int64_t mono_ms);

#endif
