/* Comparing secrets without telling, by the time it takes, how much of a guess was right or how
 * long the secret is. Any thread. */
#ifndef SECRET_H
#define SECRET_H

#include <stdbool.h>
#include <stddef.h>

/* Both are hashed first, so their lengths do not matter. A NULL or empty secret equals nothing.
 */
bool secret_equal(const char *secret, const char *guess, size_t guess_bytes);

#endif
