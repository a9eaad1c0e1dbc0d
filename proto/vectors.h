/* The vectors as the tests read them; for tests alone. */
#ifndef VECTORS_H
#define VECTORS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct vector {
    const char *file; /* "event", borrowed from the callback's caller like all here */
    const char *name;
    const char *topic;
    size_t topic_bytes;
    unsigned char *body;
    size_t body_bytes;
    const json_t *message; /* NULL: it does not decode */
    const char *result;    /* "ok" or what is wrong */
    bool canonical;        /* encoding the message gives these bytes */
};

typedef void vector_f(void *arg, const struct vector *vector);

/* Calls use for each vector of each file in the folder that $VECTORS names; returns how many
 * there were. */
size_t vectors_each(vector_f *use, void *arg);

#endif
