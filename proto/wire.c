/* In: bytes from the bus. Out: elements of known type and range.
 *
 * msgpack-c allocates for as many elements as an array claims before it looks for them (a body
 * of 5 bytes can ask for 100 GB), so bodies are first walked without allocating: what is whole
 * has no more elements than bytes. */
#include <math.h>
#include <string.h>

#include "wire.h"

#define DEPTH_MAX 16 /* msgpack-c stops at 32 */

static uint64_t
read_big_endian(const unsigned char *bytes, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

/* How an object begins: bytes of its head, bytes of its payload, objects within it. */
struct extent {
    size_t head;
    uint64_t payload;
    uint64_t objects;
};

/* Heads with a length in them; the length's own bytes are 1 << (first & 3) or said here. */
static struct extent
measure_long(const unsigned char *at, size_t left)
{
    static const struct {
        unsigned char length_bytes, extra, per_object;
    } forms[] = {
        [0xc4 - 0xc4] = {1, 0, 0}, [0xc5 - 0xc4] = {2, 0, 0}, [0xc6 - 0xc4] = {4, 0, 0},
        [0xc7 - 0xc4] = {1, 1, 0}, [0xc8 - 0xc4] = {2, 1, 0}, [0xc9 - 0xc4] = {4, 1, 0},
        [0xd9 - 0xc4] = {1, 0, 0}, [0xda - 0xc4] = {2, 0, 0}, [0xdb - 0xc4] = {4, 0, 0},
        [0xdc - 0xc4] = {2, 0, 1}, [0xdd - 0xc4] = {4, 0, 1}, [0xde - 0xc4] = {2, 0, 2},
        [0xdf - 0xc4] = {4, 0, 2},
    };
    size_t row = (size_t)(*at - 0xc4);
    size_t length_bytes = forms[row].length_bytes;
    if (left <= length_bytes)
        return (struct extent){.head = left + 1};
    uint64_t length = read_big_endian(at + 1, length_bytes);
    if (forms[row].per_object)
        return (struct extent){1 + length_bytes, 0, length * forms[row].per_object};
    return (struct extent){1 + length_bytes, length + forms[row].extra, 0};
}

static struct extent
measure(const unsigned char *at, size_t left)
{
    unsigned char first = *at;
    if (first < 0x80 || first >= 0xe0 || (first >= 0xc0 && first <= 0xc3))
        return (struct extent){first == 0xc1 ? left + 1 : 1, 0, 0};
    if (first < 0x90)
        return (struct extent){1, 0, 2 * (first & 0x0f)};
    if (first < 0xa0)
        return (struct extent){1, 0, first & 0x0f};
    if (first < 0xc0)
        return (struct extent){1, first & 0x1f, 0};
    if (first == 0xca || first == 0xcb)
        return (struct extent){1, first == 0xca ? 4 : 8, 0};
    if (first >= 0xcc && first <= 0xd3)
        return (struct extent){1, 1 << (first & 3), 0};
    if (first >= 0xd4 && first <= 0xd8)
        return (struct extent){2, 1 << (first - 0xd4), 0};
    return measure_long(at, left);
}

/* Whether the bytes are exactly one whole object, not nested too deep. */
static bool
is_whole(const unsigned char *at, size_t left)
{
    uint64_t wanted[DEPTH_MAX] = {1}; /* objects still missing, by depth */
    int depth = 0;
    while (depth >= 0) {
        if (!wanted[depth]) {
            depth--;
            continue;
        }
        if (!left)
            return false;
        struct extent extent = measure(at, left);
        if (extent.head > left || extent.payload > left - extent.head ||
            extent.objects > left - extent.head)
            return false;
        at += extent.head + extent.payload;
        left -= extent.head + extent.payload;
        wanted[depth]--;
        if (!extent.objects)
            continue;
        if (++depth == DEPTH_MAX)
            return false;
        wanted[depth] = extent.objects;
    }
    return !left;
}

static void
read_version(struct wire_body *body, const msgpack_object_array *array)
{
    body->elements = (struct wire){array->ptr, array->size, DECODE_OK};
    if (array->size > 1 && array->ptr[1].type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        body->id = array->ptr[1].via.u64;
    wire_expect(&body->elements, array->size > 0, DECODE_FORMAT);
    if (body->elements.result)
        return;
    const msgpack_object *version = body->elements.next++;
    body->elements.left--;
    bool integer = version->type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
                   version->type == MSGPACK_OBJECT_NEGATIVE_INTEGER;
    wire_expect(&body->elements, integer, DECODE_TYPE);
    wire_expect(&body->elements, integer && version->via.u64 == PROTOCOL_VERSION,
                DECODE_VERSION);
}

void
wire_open(struct wire_body *body, const void *bytes, size_t count, size_t max_bytes)
{
    memset(body, 0, sizeof *body);
    msgpack_unpacked_init(&body->unpacked);
    size_t offset = 0;
    if (count > max_bytes || !is_whole(bytes, count) ||
        msgpack_unpack_next(&body->unpacked, bytes, count, &offset) != MSGPACK_UNPACK_SUCCESS ||
        offset != count || body->unpacked.data.type != MSGPACK_OBJECT_ARRAY)
        body->elements.result = DECODE_FORMAT;
    else
        read_version(body, &body->unpacked.data.via.array);
}

void
wire_close(struct wire_body *body)
{
    msgpack_unpacked_destroy(&body->unpacked);
}

void
wire_expect(struct wire *wire, bool ok, enum decode_result result)
{
    if (!ok && !wire->result)
        wire->result = result;
}

/* The next element, or NULL after a failure (running out of elements is one). */
static const msgpack_object *
take(struct wire *wire)
{
    wire_expect(wire, wire->left > 0, DECODE_FORMAT);
    if (wire->result)
        return NULL;
    wire->left--;
    return wire->next++;
}

int64_t
wire_integer(struct wire *wire, int64_t min, int64_t max)
{
    const msgpack_object *object = take(wire);
    if (!object)
        return 0;
    bool positive = object->type == MSGPACK_OBJECT_POSITIVE_INTEGER;
    wire_expect(wire, positive || object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER, DECODE_TYPE);
    wire_expect(wire, !positive || object->via.u64 <= INT64_MAX, DECODE_RANGE);
    if (wire->result)
        return 0;
    int64_t value = object->via.i64;
    wire_expect(wire, value >= min && value <= max, DECODE_RANGE);
    return wire->result ? 0 : value;
}

uint64_t
wire_id(struct wire *wire)
{
    const msgpack_object *object = take(wire);
    if (!object)
        return 0;
    bool positive = object->type == MSGPACK_OBJECT_POSITIVE_INTEGER;
    wire_expect(wire, positive || object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER, DECODE_TYPE);
    wire_expect(wire, positive, DECODE_RANGE);
    return wire->result ? 0 : object->via.u64;
}

double
wire_float(struct wire *wire)
{
    const msgpack_object *object = take(wire);
    if (!object)
        return 0;
    switch (object->type) {
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return object->via.f64;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return (double)object->via.u64;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return (double)object->via.i64;
    default:
        wire->result = DECODE_TYPE;
        return 0;
    }
}

bool
wire_switch(struct wire *wire)
{
    const msgpack_object *object = take(wire);
    wire_expect(wire, object && object->type == MSGPACK_OBJECT_BOOLEAN, DECODE_TYPE);
    return !wire->result && object->via.boolean;
}

bool
wire_skip_nil(struct wire *wire)
{
    if (wire->result || !wire->left || wire->next->type != MSGPACK_OBJECT_NIL)
        return false;
    return take(wire);
}

void
wire_text(struct wire *wire, char *text, size_t size)
{
    text[0] = 0;
    const msgpack_object *object = take(wire);
    wire_expect(wire, object && object->type == MSGPACK_OBJECT_STR, DECODE_TYPE);
    if (wire->result)
        return;
    const msgpack_object_str *str = &object->via.str;
    wire_expect(wire, str->size < size, DECODE_RANGE);
    if (wire->result || !str->size) /* an empty string may have no address */
        return;
    wire_expect(wire, !memchr(str->ptr, 0, str->size), DECODE_RANGE);
    if (wire->result)
        return;
    memcpy(text, str->ptr, str->size);
    text[str->size] = 0;
}

void
wire_auction(struct wire *wire, char auction[AUCTION_BYTES])
{
    wire_text(wire, auction, AUCTION_BYTES);
    wire_expect(wire, auction_valid(auction, strlen(auction)), DECODE_RANGE);
}

void
wire_node(struct wire *wire, char node[NODE_BYTES])
{
    wire_text(wire, node, NODE_BYTES);
    wire_expect(wire, node_valid(node, strlen(node)), DECODE_RANGE);
}

struct wire
wire_array(struct wire *wire, size_t max_elements)
{
    const msgpack_object *object = take(wire);
    wire_expect(wire, object && object->type == MSGPACK_OBJECT_ARRAY, DECODE_TYPE);
    wire_expect(wire, wire->result || object->via.array.size <= max_elements, DECODE_RANGE);
    if (wire->result)
        return (struct wire){.result = wire->result};
    return (struct wire){object->via.array.ptr, object->via.array.size, DECODE_OK};
}
