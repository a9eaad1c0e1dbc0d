/* What a node says of itself: heartbeat and bye. */
#include <assert.h>
#include <string.h>

#include "codec.h"

/* The shards that the node serves; nothing or nil: all. */
static void
read_shards(struct wire *wire, bool unserved[SHARD_COUNT])
{
    bool all = !wire->left || wire_skip_nil(wire);
    memset(unserved, !all, SHARD_COUNT * sizeof *unserved);
    if (all)
        return;
    struct wire shards = wire_array(wire, SHARD_COUNT);
    for (int64_t next = 0; !shards.result && shards.left;) {
        int64_t shard = wire_integer(&shards, next, SHARD_COUNT - 1);
        if (shards.result)
            break;
        unserved[shard] = false;
        next = shard + 1;
    }
    wire_expect(wire, !shards.result, shards.result);
}

void
heartbeat_read(struct wire *wire, struct message *message)
{
    message->time_ms = wire_integer(wire, 0, WIRE_INTEGER_MAX);
    message->state = (enum node_state)wire_integer(wire, NODE_WARMING, NODE_LEAVING);
    message->total = (uint64_t)wire_integer(wire, 0, WIRE_INTEGER_MAX);
    memset(message->sequences, 0, sizeof message->sequences);
    struct wire sequences = wire_array(wire, 2 * SHARD_COUNT);
    int64_t next_shard = 0;
    while (!sequences.result && sequences.left >= 2) {
        int64_t shard = wire_integer(&sequences, next_shard, SHARD_COUNT - 1);
        uint64_t sequence = (uint64_t)wire_integer(&sequences, 1, WIRE_INTEGER_MAX);
        message->sequences[shard] = sequence;
        next_shard = shard + 1;
    }
    wire_expect(wire, !sequences.result, sequences.result);
    wire_expect(wire, !sequences.left, DECODE_RANGE);
    read_shards(wire, message->unserved);
}

static size_t
count_unserved(const struct message *message)
{
    size_t count = 0;
    for (int shard = 0; shard < SHARD_COUNT; shard++)
        count += message->unserved[shard];
    return count;
}

size_t
heartbeat_more(const struct message *message)
{
    return count_unserved(message) ? 1 : 0;
}

static void
write_shards(msgpack_packer *packer, const struct message *message)
{
    msgpack_pack_array(packer, SHARD_COUNT - count_unserved(message));
    for (int shard = 0; shard < SHARD_COUNT; shard++)
        if (!message->unserved[shard])
            msgpack_pack_int(packer, shard);
}

void
heartbeat_write(msgpack_packer *packer, const struct message *message)
{
    assert(message->time_ms >= 0 && message->time_ms <= WIRE_INTEGER_MAX);
    assert(message->state <= NODE_LEAVING && message->total <= WIRE_INTEGER_MAX);
    size_t shards = 0;
    for (int shard = 0; shard < SHARD_COUNT; shard++)
        shards += message->sequences[shard] > 0;
    msgpack_pack_int64(packer, message->time_ms);
    msgpack_pack_uint64(packer, message->state);
    msgpack_pack_uint64(packer, message->total);
    msgpack_pack_array(packer, 2 * shards);
    for (int shard = 0; shard < SHARD_COUNT; shard++) {
        if (!message->sequences[shard])
            continue;
        assert(message->sequences[shard] <= WIRE_INTEGER_MAX);
        msgpack_pack_int(packer, shard);
        msgpack_pack_uint64(packer, message->sequences[shard]);
    }
    if (heartbeat_more(message))
        write_shards(packer, message);
}

void
bye_read(struct wire *wire, struct message *message)
{
    message->time_ms = wire_integer(wire, 0, WIRE_INTEGER_MAX);
}

void
bye_write(msgpack_packer *packer, const struct message *message)
{
    assert(message->time_ms >= 0 && message->time_ms <= WIRE_INTEGER_MAX);
    msgpack_pack_int64(packer, message->time_ms);
}
