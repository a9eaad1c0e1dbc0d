/* A name → the embedded file, by binary search. */
#include <stdlib.h>
#include <string.h>

#include "embedded.h"

static int
compare_name(const void *name, const void *file)
{
    return strcmp(name, ((const struct embedded_file *)file)->name);
}

const struct embedded_file *
embedded_find(const struct embedded_files *files, const char *name)
{
    return bsearch(name, files->files, files->count, sizeof *files->files, compare_name);
}
