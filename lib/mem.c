/* The one place that answers an exhausted heap: one line on stderr, then the end. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

static void
end_if_missing(const void *memory)
{
    if (memory)
        return;
    fputs("out of memory\n", stderr);
    abort();
}

void *
mem_alloc(size_t bytes)
{
    void *memory = calloc(1, bytes ? bytes : 1);
    end_if_missing(memory);
    return memory;
}

void *
mem_resize(void *old, size_t bytes)
{
    void *memory = realloc(old, bytes);
    end_if_missing(memory);
    return memory;
}

char *
mem_text(const char *text)
{
    if (!text)
        return NULL;
    char *copy = strdup(text);
    end_if_missing(copy);
    return copy;
}

char *
mem_format(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    end_if_missing(text);
    return text;
}
