/* In: keys and guesses. Out: which is which. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "keyring.h"
#include "secret.h"

struct keyring {
    pthread_mutex_t mutex;
    char *current, *previous; /* previous: "" when there is none, which equals nothing */
};

struct keyring *
keyring_new(const char *current, const char *previous)
{
    struct keyring *keys = mem_alloc(sizeof *keys);
    pthread_mutex_init(&keys->mutex, NULL);
    keys->current = mem_text(current ? current : "");
    keys->previous = mem_text(previous ? previous : "");
    return keys;
}

static void
wipe(char *key)
{
    explicit_bzero(key, strlen(key));
    free(key);
}

void
keyring_destroy(struct keyring **keys)
{
    if (!*keys)
        return;
    wipe((*keys)->current);
    wipe((*keys)->previous);
    pthread_mutex_destroy(&(*keys)->mutex);
    free(*keys);
    *keys = NULL;
}

static bool
replace(char **key, const char *other)
{
    if (!strcmp(*key, other))
        return false;
    wipe(*key);
    *key = mem_text(other);
    return true;
}

bool
keyring_set(struct keyring *keys, const char *current, const char *previous)
{
    pthread_mutex_lock(&keys->mutex);
    bool changed = replace(&keys->current, current ? current : "");
    changed |= replace(&keys->previous, previous ? previous : "");
    pthread_mutex_unlock(&keys->mutex);
    return changed;
}

enum keyring_match
keyring_find(struct keyring *keys, const char *guess, size_t guess_bytes)
{
    pthread_mutex_lock(&keys->mutex);
    bool current = secret_equal(keys->current, guess, guess_bytes);
    bool previous = secret_equal(keys->previous, guess, guess_bytes);
    pthread_mutex_unlock(&keys->mutex);
    return current ? KEYRING_CURRENT : previous ? KEYRING_PREVIOUS : KEYRING_NONE;
}

void
keyring_current(struct keyring *keys, char key[KEYRING_KEY_BYTES])
{
    pthread_mutex_lock(&keys->mutex);
    snprintf(key, KEYRING_KEY_BYTES, "%s", keys->current);
    pthread_mutex_unlock(&keys->mutex);
}
