/* Events and counts: what changed in one auction, and the states in answer to a subscription.
 */
#include <assert.h>

#include "codec.h"

#define VIEWERS_MAX 1000000000 /* of one auction at one gateway */

static bool
is_marker(enum change_kind change)
{
    return change == CHANGE_BEGIN || change == CHANGE_END;
}

static bool
is_sequence_valid(const struct message *message)
{
    bool advanced = message->change == CHANGE_JOIN || message->change == CHANGE_LEAVE;
    return message->sequence >= advanced && message->sequence <= WIRE_INTEGER_MAX;
}

/* Sequence, time and change, and whether they fit each other and the topic. */
static void
read_change(struct wire *wire, struct message *message)
{
    message->sequence = (uint64_t)wire_integer(wire, 0, WIRE_INTEGER_MAX);
    message->time_ms = wire_integer(wire, 0, WIRE_INTEGER_MAX);
    message->change = (enum change_kind)wire_integer(wire, CHANGE_STATE, CHANGE_END);
    wire_expect(wire, is_marker(message->change) == !*message->auction, DECODE_RANGE);
    wire_expect(wire, is_sequence_valid(message), DECODE_RANGE);
}

static void
write_change(msgpack_packer *packer, const struct message *message)
{
    assert(is_marker(message->change) == !*message->auction);
    assert(is_sequence_valid(message));
    assert(message->time_ms >= 0 && message->time_ms <= WIRE_INTEGER_MAX);
    msgpack_pack_uint64(packer, message->sequence);
    msgpack_pack_int64(packer, message->time_ms);
    msgpack_pack_uint64(packer, message->change);
}

static bool
is_pair_valid(const struct message *message)
{
    if (message->change == CHANGE_BEGIN)
        return !message->joins && !message->leaves;
    if (message->change == CHANGE_END)
        return !message->leaves;
    return message->joins >= message->leaves && message->joins - message->leaves <= VIEWERS_MAX;
}

void
event_read(struct wire *wire, struct message *message)
{
    read_change(wire, message);
    message->joins = (uint64_t)wire_integer(wire, 0, WIRE_INTEGER_MAX);
    message->leaves = (uint64_t)wire_integer(wire, 0, WIRE_INTEGER_MAX);
    wire_expect(wire, is_pair_valid(message), DECODE_RANGE);
}

void
event_write(msgpack_packer *packer, const struct message *message)
{
    assert(message->joins <= WIRE_INTEGER_MAX && is_pair_valid(message));
    write_change(packer, message);
    msgpack_pack_uint64(packer, message->joins);
    msgpack_pack_uint64(packer, message->leaves);
}

static bool
is_count_valid(const struct message *message)
{
    return message->change != CHANGE_LEAVE &&
           (message->change != CHANGE_BEGIN || !message->count);
}

void
count_read(struct wire *wire, struct message *message)
{
    read_change(wire, message);
    message->count = (uint64_t)wire_integer(wire, 0, WIRE_INTEGER_MAX);
    wire_expect(wire, is_count_valid(message), DECODE_RANGE);
}

void
count_write(msgpack_packer *packer, const struct message *message)
{
    assert(message->count <= WIRE_INTEGER_MAX && is_count_valid(message));
    write_change(packer, message);
    msgpack_pack_uint64(packer, message->count);
}
