/* In: a time. Out: whether once more is within the rate. */
#include "bucket.h"

bool
bucket_take(struct bucket *bucket, int64_t per_second, int64_t now_ms)
{
    int64_t now_us = now_ms * 1000, each_us = 1000000 / per_second;
    int64_t full_us = (bucket->full_us > now_us ? bucket->full_us : now_us) + each_us;
    if (full_us - now_us > BUCKET_SECONDS * INT64_C(1000000))
        return false;
    bucket->full_us = full_us;
    return true;
}
