/* The file that a secret is mounted in, as Kubernetes and systemd do it. Any thread. */
#ifndef SECRET_FILE_H
#define SECRET_FILE_H

#include <stddef.h>

enum secret_file {
    SECRET_FILE_READ,
    SECRET_FILE_NONE, /* there is no such file, or its first line is empty */
    SECRET_FILE_BAD   /* it cannot be read, or holds no text */
};

/* Copies the file's first line, without its end and cut to line_bytes - 1. *problem, a constant
 * or strerror()'s: why not. Never waits: what is no regular file is not read. */
enum secret_file secret_file_read(const char *path, char *line, size_t line_bytes,
                                  const char **problem);

#endif
