/* Snapshots: as published, and the figures that published ones and batches share. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "codec.h"

#define EXACT_COUNT 7 /* figures that a snapshot may lack, together */

static int64_t
read_figure(struct wire *wire)
{
    return wire_integer(wire, -WIRE_INTEGER_MAX, WIRE_INTEGER_MAX);
}

static void
skip_exact(struct wire *wire)
{
    for (int i = 0; i < EXACT_COUNT; i++)
        wire_expect(wire, wire_skip_nil(wire), DECODE_TYPE);
}

void
figures_read(struct wire *wire, struct snapshot *snapshot)
{
    snapshot->timestamp_ms = read_figure(wire);
    snapshot->viewer_count = read_figure(wire);
    snapshot->avg_viewers = wire_float(wire);
    snapshot->peak_viewers = read_figure(wire);
    snapshot->min_viewers = read_figure(wire);
    snapshot->sample_count = read_figure(wire);
    bool exact = !wire->result && wire->left && wire->next->type != MSGPACK_OBJECT_NIL;
    snapshot->exact = exact;
    if (!exact)
        skip_exact(wire);
    snapshot->exact_peak = exact ? read_figure(wire) : 0;
    snapshot->exact_min = exact ? read_figure(wire) : 0;
    snapshot->exact_avg = exact ? wire_float(wire) : 0;
    snapshot->joins = exact ? read_figure(wire) : 0;
    snapshot->leaves = exact ? read_figure(wire) : 0;
    snapshot->coverage_ms = exact ? read_figure(wire) : 0;
    snapshot->complete = exact && wire_switch(wire);
}

static void
write_figure(msgpack_packer *packer, int64_t figure)
{
    assert(figure >= -WIRE_INTEGER_MAX && figure <= WIRE_INTEGER_MAX);
    msgpack_pack_int64(packer, figure);
}

static void
write_exact(msgpack_packer *packer, const struct snapshot *snapshot)
{
    write_figure(packer, snapshot->exact_peak);
    write_figure(packer, snapshot->exact_min);
    msgpack_pack_double(packer, snapshot->exact_avg);
    write_figure(packer, snapshot->joins);
    write_figure(packer, snapshot->leaves);
    write_figure(packer, snapshot->coverage_ms);
    if (snapshot->complete)
        msgpack_pack_true(packer);
    else
        msgpack_pack_false(packer);
}

void
figures_write(msgpack_packer *packer, const struct snapshot *snapshot)
{
    write_figure(packer, snapshot->timestamp_ms);
    write_figure(packer, snapshot->viewer_count);
    msgpack_pack_double(packer, snapshot->avg_viewers);
    write_figure(packer, snapshot->peak_viewers);
    write_figure(packer, snapshot->min_viewers);
    write_figure(packer, snapshot->sample_count);
    if (snapshot->exact)
        write_exact(packer, snapshot);
    for (int i = 0; !snapshot->exact && i < EXACT_COUNT; i++)
        msgpack_pack_nil(packer);
}

/* Of a published snapshot: no figure is negative, none is not finite. */
static bool
is_publishable(const struct snapshot *snapshot)
{
    const int64_t figures[] = {snapshot->timestamp_ms, snapshot->viewer_count,
                               snapshot->peak_viewers, snapshot->min_viewers,
                               snapshot->sample_count, snapshot->exact_peak,
                               snapshot->exact_min,    snapshot->joins,
                               snapshot->leaves,       snapshot->coverage_ms};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        if (figures[i] < 0)
            return false;
    return isfinite(snapshot->avg_viewers) && snapshot->avg_viewers >= 0 &&
           isfinite(snapshot->exact_avg) && snapshot->exact_avg >= 0;
}

void
snapshot_read(struct wire *wire, struct message *message)
{
    memcpy(message->snapshot.auction, message->auction, AUCTION_BYTES);
    figures_read(wire, &message->snapshot);
    wire_expect(wire, is_publishable(&message->snapshot), DECODE_RANGE);
}

void
snapshot_write(msgpack_packer *packer, const struct message *message)
{
    assert(*message->auction && is_publishable(&message->snapshot));
    figures_write(packer, &message->snapshot);
}
