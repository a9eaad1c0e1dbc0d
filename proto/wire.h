/* MessagePack as the codecs read it from hostile bytes; for proto/ alone. Pure but for memory,
 * which is at most a small multiple of the bytes read; any thread. */
#ifndef WIRE_H
#define WIRE_H

#include <msgpack.h>

#include "message.h"

#define WIRE_INTEGER_MAX (((int64_t)1 << 53) - 1) /* exact in every language */
#define WIRE_BODY_BYTES_MAX (64 * 1024)           /* of a published message */
#define WIRE_REQUEST_BYTES_MAX (1024 * 1024)      /* of a store request or acknowledgement */

/* The elements of an array, read from left to right. The first failure stays in result; from
 * then on every read gives zeros. */
struct wire {
    const msgpack_object *next;
    size_t left;
    enum decode_result result;
};

/* A body taken apart; its texts stay in the bytes it was opened from. */
struct wire_body {
    msgpack_unpacked unpacked;
    struct wire elements; /* what follows the version */
    bool has_id;
    uint64_t id; /* the element after the version where it is an unsigned integer, else 0 */
};

/* Takes body apart. On failure elements.result says why, and id may be known all the same. To
 * be closed in any case. */
void wire_open(struct wire_body *body, const void *bytes, size_t count, size_t max_bytes);
void wire_close(struct wire_body *body);

/* Fails with result unless ok (and nothing failed before). */
void wire_expect(struct wire *wire, bool ok, enum decode_result result);

int64_t wire_integer(struct wire *wire, int64_t min, int64_t max);
uint64_t wire_id(struct wire *wire);  /* any unsigned 64-bit integer */
double wire_float(struct wire *wire); /* any number, also not finite */
bool wire_switch(struct wire *wire);
bool wire_skip_nil(struct wire *wire); /* true and past it when nil is next */

/* A string of at most size - 1 bytes and none of them zero, terminated. */
void wire_text(struct wire *wire, char *text, size_t size);
void wire_auction(struct wire *wire, char auction[AUCTION_BYTES]);
void wire_node(struct wire *wire, char node[NODE_BYTES]);

/* The elements of a nested array (to be read in full or in part; ask its result). */
struct wire wire_array(struct wire *wire, size_t max_elements);

#endif
