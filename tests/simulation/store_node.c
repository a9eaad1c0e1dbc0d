/* A store and the database behind all of them: one row for an auction and a minute, the fuller
 * one kept, as storage/ does it (storage_test holds both databases to the same). */
#include "world.h"

void
store_take(struct world *world, unsigned store, struct link *link, const struct parcel *parcel)
{
    (void)store;
    if (world->chaos && draw(world, 100) < 5) { /* its database is away */
        network_send_ack(world, link, parcel->id, ACK_UNAVAILABLE);
        return;
    }
    for (size_t i = 0; i < parcel->row_count; i++) {
        const struct snapshot *row = &parcel->rows[i];
        int64_t window = (row->timestamp_ms - WALL_MS) / WINDOW_MS;
        char reason[SNAPSHOT_REASON_BYTES];
        if (snapshot_check(row, wall_ms(world, link->to), reason)) {
            fail(world, "the store refuses a snapshot: %s", reason);
            return;
        }
        if (window < 0 || window >= WINDOWS) {
            fail(world, "a snapshot of another time: window %lld", (long long)window);
            return;
        }
        struct stored *stored = &world->database[auction_of(row->auction)][window];
        if (!stored->there || snapshot_fuller(row, &stored->row))
            *stored = (struct stored){true, *row};
    }
    network_send_ack(world, link, parcel->id, ACK_OK);
}
