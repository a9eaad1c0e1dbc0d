/* In: wrong keys. Out: whether to listen. A token bucket an address, in one number. */
#include <pthread.h>
#include <stdlib.h>

#include "mem.h"
#include "table.h"

#include "guesses.h"

#define MINUTE_MS 60000

struct guesser {
    struct address address; /* of its group */
    int64_t clear_ms;       /* when all it gave is forgotten */
    UT_hash_handle hh;      /* in the order of their last wrong key */
};

struct guesses {
    pthread_mutex_t mutex;
    struct guesser *guessers;
    int64_t each_ms; /* what a wrong key costs; 0: nothing */
};

struct guesses *
guesses_new(int64_t per_minute)
{
    struct guesses *guesses = mem_alloc(sizeof *guesses);
    pthread_mutex_init(&guesses->mutex, NULL);
    guesses->each_ms = per_minute ? (MINUTE_MS + per_minute - 1) / per_minute : 0;
    return guesses;
}

static void
forget(struct guesses *guesses, struct guesser *guesser)
{
    HASH_DEL(guesses->guessers, guesser);
    free(guesser);
}

void
guesses_destroy(struct guesses **guesses)
{
    if (!*guesses)
        return;
    while ((*guesses)->guessers)
        forget(*guesses, (*guesses)->guessers);
    pthread_mutex_destroy(&(*guesses)->mutex);
    free(*guesses);
    *guesses = NULL;
}

static struct guesser *
find(struct guesses *guesses, const struct address *address)
{
    struct guesser *guesser;
    struct address group = address_group(address);
    HASH_FIND(hh, guesses->guessers, &group, sizeof group, guesser);
    return guesser;
}

bool
guesses_allowed(struct guesses *guesses, const struct address *address, int64_t mono_ms)
{
    pthread_mutex_lock(&guesses->mutex);
    const struct guesser *guesser = find(guesses, address);
    bool allowed = !guesser || guesser->clear_ms + guesses->each_ms <= mono_ms + MINUTE_MS;
    pthread_mutex_unlock(&guesses->mutex);
    return allowed;
}

void
guesses_note(struct guesses *guesses, const struct address *address, int64_t mono_ms)
{
    if (!guesses->each_ms)
        return;
    pthread_mutex_lock(&guesses->mutex);
    struct guesser *guesser = find(guesses, address);
    if (guesser)
        HASH_DEL(guesses->guessers, guesser);
    else
        guesser = mem_alloc(sizeof *guesser);
    if (guesser->clear_ms < mono_ms)
        guesser->clear_ms = mono_ms;
    guesser->clear_ms += guesses->each_ms;
    guesser->address = address_group(address);
    HASH_ADD(hh, guesses->guessers, address, sizeof guesser->address, guesser);
    if (HASH_COUNT(guesses->guessers) > GUESSES_ADDRESSES)
        forget(guesses, guesses->guessers); /* the first is the one of longest ago */
    pthread_mutex_unlock(&guesses->mutex);
}
