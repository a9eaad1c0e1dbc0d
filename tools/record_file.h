/* Reads a record (record_format.h) from a file or a pipe, piece by piece in bounded memory.
 * Reading a file may wait for its disk; a pipe is only read when it has something. One thread.
 */
#ifndef RECORD_FILE_H
#define RECORD_FILE_H

#include "record_format.h"

struct record_file;

/* path "-" is stdin. NULL with errno. */
struct record_file *record_file_open(const char *path);
void record_file_close(struct record_file **file);

enum record_next {
    RECORD_ENTRY,
    RECORD_WAIT, /* the pipe has nothing now: try again when record_file_fd() is readable */
    RECORD_END,
    RECORD_TORN, /* ends within an entry or the header, as after a kill */
    RECORD_WRONG /* see record_file_problem() */
};

/* The next entry; its bytes are valid until the next call. Entries are in the order of time.
 * After END, TORN or WRONG only the same comes. */
enum record_next record_file_next(struct record_file *file, struct record_entry *entry);

/* What is wrong, where, and what is allowed: a text of the file's. */
const char *record_file_problem(const struct record_file *file);

int record_file_fd(const struct record_file *file);
int64_t record_file_start_ms(const struct record_file *file); /* 0: no header was read yet */

#endif
