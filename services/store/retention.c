/* One bounded deletion at a time. */
#include "clock.h"

#include "retention.h"

#define ROWS_AT_ONCE 5000
#define NEXT_PART_MS 20
#define DAY_MS 86400000

void
retention_init(struct retention *retention, int64_t keep_days, int64_t interval_ms,
               int64_t mono_ms)
{
    *retention = (struct retention){
        .keep_ms = keep_days * DAY_MS, .interval_ms = interval_ms, .due_ms = mono_ms};
}

bool
retention_due(const struct retention *retention, int64_t mono_ms)
{
    return mono_ms >= retention->due_ms;
}

int
retention_run(struct retention *retention, struct storage *storage, size_t *deleted,
              struct storage_error *error)
{
    int result = storage_expire(storage, clock_wall_ms() - retention->keep_ms, ROWS_AT_ONCE,
                                deleted, error);
    bool more = !result && *deleted == ROWS_AT_ONCE;
    retention->due_ms = clock_mono_ms() + (more ? NEXT_PART_MS : retention->interval_ms);
    return result;
}
