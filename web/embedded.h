/* Files that are part of the program, made by embed.py at build time. Constant; any thread. */
#ifndef EMBEDDED_H
#define EMBEDDED_H

#include <stddef.h>

struct embedded_file {
    const char *name; /* "pages/index.html" */
    const char *type; /* content type */
    const char *etag; /* strong, with its quotes */
    const unsigned char *bytes;
    size_t length;
};

struct embedded_files {
    const struct embedded_file *files; /* sorted by name, bytewise */
    size_t count;
};

extern const struct embedded_files web_files; /* pages/… and assets/… of this folder */

/* The file of that name, or NULL. */
const struct embedded_file *embedded_find(const struct embedded_files *files, const char *name);

#endif
