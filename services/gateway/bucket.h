/* A token bucket in one number: how often something may happen. It fills at a rate, holds what
 * comes together in BUCKET_SECONDS, and begins full. Pure; one thread. */
#ifndef BUCKET_H
#define BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#define BUCKET_SECONDS 10

/* Zeroed to begin with. */
struct bucket {
    int64_t full_us; /* when it will be full again, if nothing more is taken */
};

/* Takes one. False: it is empty. now_ms: any monotonic time. */
bool bucket_take(struct bucket *bucket, int64_t per_second, int64_t now_ms);

#endif
