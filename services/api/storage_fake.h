/* Storage for tests: one auction's snapshots, made up as they are read, and failures on order.
 */
#ifndef STORAGE_FAKE_H
#define STORAGE_FAKE_H

#include <stdint.h>

#include "storage.h"

struct storage_fake {
    int64_t first_ms; /* of the snapshots, one a minute */
    int64_t count;    /* how many there are */
    int reads;        /* storage_read() calls so far */
    int fail_at;      /* the call that fails, 1 is the first; 0: none */
    int fail_all;     /* whether every call fails */
    int64_t pings;    /* storage_ping() calls so far */
};
extern struct storage_fake storage_fake;

#endif
