/* What must hold of a spool opened over any file, for the targets that make such files. */
#ifndef SPOOL_CHECK_H
#define SPOOL_CHECK_H

#include <stdbool.h>

#include "spool.h"

struct fuzz;

struct spool_seen {
    bool opened;
    bool moved;     /* the file was damaged */
    size_t records; /* read of it at first */
};

/* Whether a record may be there; NULL: any may. */
typedef bool spool_known_f(void *arg, const struct spool_record *record);

/* Opens the spool, reads it to its end, puts a record and finds it again at the end, also after
 * it was closed and opened anew, when nothing is damaged any more. Removes its files. */
struct spool_seen spool_check(const char *path, spool_known_f *known, void *arg);

/* Opens a spool of which nothing is damaged or lost. */
struct spool *spool_open_sound(const char *path);

#define SPOOL_FILL_MAX 20 /* records */

/* Makes a spool of pieces of the input; how many, and in *batches how many of them are batches.
 */
size_t spool_fill(struct fuzz *fuzz, const char *path, size_t *batches);

/* Removes the spool's files and whatever damaged ones lie beside it. */
void spool_remove(const char *path);

#endif
