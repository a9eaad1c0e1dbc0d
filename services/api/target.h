/* A request target as it stands in the request line ("/a/b%2Fc?x=1&y=2", or the same behind
 * "http://HOST"), split at its marks
 * first and percent-decoded then. Pure; one thread. */
#ifndef TARGET_H
#define TARGET_H

#include <stddef.h>

#define TARGET_SEGMENTS 8
#define TARGET_PARAMETERS 16

enum target_result {
    TARGET_OK,
    TARGET_FORM,     /* neither a path nor an absolute address */
    TARGET_ENCODING, /* a '%' without two hex digits, or an encoded zero byte */
    TARGET_DOUBLED,  /* a parameter given twice */
    TARGET_TOO_MANY  /* segments or parameters */
};

struct target_parameter {
    char *name;
    char *value; /* "" where there is none */
};

struct target {
    char *text; /* what all pointers below point into */
    enum target_result result;
    size_t segment_count; /* "/" has none, "/a/" has two: "a" and "" */
    char *segments[TARGET_SEGMENTS];
    size_t parameter_count;
    struct target_parameter parameters[TARGET_PARAMETERS];
};

/* On anything but TARGET_OK the rest is whatever was read by then, all of it usable. */
void target_init(struct target *target, const char *text);
void target_fini(struct target *target);

/* A parameter's value, or NULL when it was not given. */
const char *target_parameter(const struct target *target, const char *name);

/* What is wrong, for people. */
const char *target_result_text(enum target_result result);

#endif
