/* A spool's SQLite file: opening, checking, replacing. For spool.c alone. */
#ifndef SPOOL_FILE_H
#define SPOOL_FILE_H

#include <sqlite3.h>

#include "spool.h"

#define SPOOL_SUM_BYTES 16

/* Says what the connection's last call failed of; always -1. */
int spool_file_fail(sqlite3 *db, struct spool_error *error);

/* The checksum of a record's bytes. */
void spool_file_sum(const void *bytes, size_t size, unsigned char sum[SPOOL_SUM_BYTES]);

/* Takes "<path>.lock", so that no other process opens this spool; a descriptor to close at the
 * end, or -1. */
int spool_file_lock(const char *path, struct spool_error *error);

/* Sets room aside on the disk for taking records out of the spool of a full one: that needs a
 * journal. False: there is not so much left. */
bool spool_file_reserve(const char *path);

/* Gives that room back; false: there was none. */
bool spool_file_release(const char *path);

/* Opens the file, or one made from what can be rescued of it. The lock's file remembers that
 * there was one. NULL with *error. */
sqlite3 *spool_file_open(const char *path, int lock, struct spool_repair *repair,
                         struct spool_error *error);

#endif
