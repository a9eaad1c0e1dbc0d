/* A key that can be changed while it is in use: for a while the one before is valid, too, so
 * that callers may change theirs one by one. Any thread. */
#ifndef KEYRING_H
#define KEYRING_H

#include <stdbool.h>
#include <stddef.h>

#define KEYRING_KEY_BYTES 4097

struct keyring;

/* previous: NULL, there is none. Both are copied. */
struct keyring *keyring_new(const char *current, const char *previous);
void keyring_destroy(struct keyring **keys); /* overwrites them */

/* Puts others in their place. True: they differ from those before. */
bool keyring_set(struct keyring *keys, const char *current, const char *previous);

enum keyring_match { KEYRING_NONE, KEYRING_CURRENT, KEYRING_PREVIOUS };

/* Which of them a guess is; takes as long for a right one as for a wrong one. */
enum keyring_match keyring_find(struct keyring *keys, const char *guess, size_t guess_bytes);

/* A copy of the current one, for requests of our own. */
void keyring_current(struct keyring *keys, char key[KEYRING_KEY_BYTES]);

#endif
