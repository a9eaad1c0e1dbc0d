/* A hash of auction → flag and when it was read. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "table.h"

#include "auction.h"

#include "guard.h"

struct flag {
    char auction[AUCTION_BYTES];
    bool enabled;
    int64_t read_ms;
    UT_hash_handle hh;
};

struct guard {
    struct flag *flags; /* by auction */
    int64_t fresh_ms;
    size_t capacity;
};

struct guard *
guard_new(int64_t fresh_ms, size_t capacity)
{
    struct guard *guard = mem_alloc(sizeof *guard);
    guard->fresh_ms = fresh_ms;
    guard->capacity = capacity;
    return guard;
}

static void
forget_all(struct guard *guard)
{
    struct flag *flag, *next;
    HASH_ITER(hh, guard->flags, flag, next)
    {
        HASH_DEL(guard->flags, flag);
        free(flag);
    }
}

void
guard_destroy(struct guard **guard)
{
    if (!*guard)
        return;
    forget_all(*guard);
    free(*guard);
    *guard = NULL;
}

bool
guard_lookup(const struct guard *guard, const char *auction, int64_t mono_ms, bool *enabled)
{
    struct flag *flag;
    HASH_FIND_STR(guard->flags, auction, flag);
    if (!flag || mono_ms - flag->read_ms > guard->fresh_ms)
        return false;
    *enabled = flag->enabled;
    return true;
}

void
guard_reserve(struct guard *guard, size_t count)
{
    assert(count <= guard->capacity);
    if (HASH_COUNT(guard->flags) + count > guard->capacity)
        forget_all(guard);
}

void
guard_note(struct guard *guard, const char *auction, bool enabled, int64_t mono_ms)
{
    struct flag *flag;
    HASH_FIND_STR(guard->flags, auction, flag);
    if (!flag) {
        guard_reserve(guard, 1);
        flag = mem_alloc(sizeof *flag);
        strncpy(flag->auction, auction, sizeof flag->auction - 1);
        HASH_ADD_STR(guard->flags, auction, flag);
    }
    flag->enabled = enabled;
    flag->read_ms = mono_ms;
}
