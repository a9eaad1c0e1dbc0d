/* A durable, bounded queue of records on disk: what was promised to be stored and cannot be
 * handed on yet. One SQLite file; every change is on the disk before the call returns.
 *
 * A spool belongs to one thread at a time and one process: a second one that opens its path is
 * refused. Calls block for the disk. Each returns 0, or -1 with *error filled. */
#ifndef SPOOL_H
#define SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spool;

#define SPOOL_PATH_BYTES 4096
#define SPOOL_RECORD_BYTES 64 /* what a record takes besides its bytes and texts */

enum spool_failure {
    SPOOL_FULL,    /* no room within bytes_max */
    SPOOL_CORRUPT, /* the file is damaged: close it and open it again */
    SPOOL_IN_USE,  /* by another process */
    SPOOL_FOREIGN, /* a sound database of something else: it is left as it is */
    SPOOL_FAILED   /* the disk is full, gone or not to be written: try again later */
};

struct spool_error {
    enum spool_failure failure;
    char text[256]; /* for the log */
};

struct spool_options {
    const char *path;  /* its folder must exist; "<path>.lock" lies beside it */
    int64_t bytes_max; /* of all that is kept, by spool_bytes() */
};

/* What became of a file that was damaged. */
struct spool_repair {
    char moved_to[SPOOL_PATH_BYTES]; /* "": it was sound */
    size_t rescued;                  /* records of it that are in the new file */
    bool lost;                       /* there had been a file; it is gone or empty now */
};

/* Opens or creates the file. One that is damaged, or holds other tables, is renamed to
 * "<path>.corrupt-<UTC time>", and every record in it that can be read and fits its checksum
 * goes to a new one. */
int spool_open(const struct spool_options *options, struct spool **spool,
               struct spool_repair *repair, struct spool_error *error);
void spool_close(struct spool **spool);

struct spool_record {
    int64_t id;        /* grows with every record, never used twice */
    int64_t stored_ms; /* wall clock, when it was put */
    const void *bytes;
    size_t size;
};

/* Appends count records, all or none; fills in their id and stored_ms. */
int spool_put(struct spool *spool, struct spool_record *records, size_t count, int64_t wall_ms,
              struct spool_error *error);

/* The oldest *count records at most after id (0: from the first), not more than about size_max
 * bytes of them but at least one. Their bytes are the spool's until the next call. A record
 * that does not fit its checksum is set aside instead; *damaged tells how many were. */
int spool_read(struct spool *spool, int64_t id, size_t size_max, struct spool_record *records,
               size_t *count, size_t *damaged, struct spool_error *error);

/* Forgets records: they are safe elsewhere. */
int spool_drop(struct spool *spool, const int64_t *ids, size_t count,
               struct spool_error *error);

/* Writes to the file, but no record, to see whether it takes some again; sets room aside on the
 * disk for taking them out. */
int spool_probe(struct spool *spool, struct spool_error *error);

/* Keeps, for people to look at, what nobody accepts: table set_aside of the file. The same
 * subject with the same bytes is kept once. */
int spool_set_aside(struct spool *spool, const char *subject, const char *reason,
                    const void *bytes, size_t size, int64_t wall_ms, struct spool_error *error);

int64_t spool_bytes(const struct spool *spool); /* records and what is set aside */
size_t spool_records(const struct spool *spool);
size_t spool_aside(const struct spool *spool);
int64_t spool_oldest_ms(const struct spool *spool); /* stored_ms of the first record, or 0 */

#endif
