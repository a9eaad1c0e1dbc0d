/* Which handler answers which method and path: one table. Constant; any thread. */
#ifndef ROUTES_H
#define ROUTES_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

#include "target.h"

#define ROUTE_ALLOW_BYTES 64

struct request;

/* Called once with the whole request read and access granted; queues the answer, or suspends
 * the request. See request.h. */
typedef enum MHD_Result route_f(struct request *request);

enum route_access {
    ACCESS_PUBLIC,
    ACCESS_INTERNAL, /* the internal key */
    ACCESS_ADMIN,    /* the admin key */
    ACCESS_ANALYTICS /* the admin key, unless ANALYTICS_PUBLIC */
};

struct route {
    const char *method;
    const char *pattern; /* a segment ":id" takes an auction id, ":name" anything */
    enum route_access access;
    route_f *handle;
    bool takes_json; /* a body of content type application/json, or of none */
};

extern const struct route routes[];
extern const size_t route_count;

enum route_result {
    ROUTE_FOUND,
    ROUTE_NO_PATH,   /* 404 */
    ROUTE_NO_METHOD, /* 405: see allow */
    ROUTE_BAD_ID     /* the path is known, but what stands for :id is no auction id */
};

struct route_match {
    enum route_result result;
    const struct route *route;     /* ROUTE_FOUND, ROUTE_BAD_ID */
    const char *argument;          /* what stands for :id or :name; points into target */
    char allow[ROUTE_ALLOW_BYTES]; /* ROUTE_NO_METHOD: "GET, HEAD" */
};

/* HEAD is answered wherever GET is. Pure. */
struct route_match route_find(const struct route *table, size_t count, const char *method,
                              const struct target *target);

#endif
