/* The store's answer to a request. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "encoder.h"
#include "store_request.h"
#include "wire.h"

#define ACK_ELEMENTS 10
#define ACK_ELEMENTS_LEAST 9 /* a store without a spool */
#define ACK_TOPIC "ack/"
#define CODE_BYTES 32

static const char *const code_texts[] = {"ok", "unauthorized", "invalid", "version",
                                         "unavailable"};

const char *
ack_code_text(enum ack_code code)
{
    return code_texts[code];
}

static enum ack_code
read_code(struct wire *wire)
{
    char text[CODE_BYTES];
    wire_text(wire, text, sizeof text);
    int code = ACK_OK;
    while (code <= ACK_UNAVAILABLE && strcmp(text, code_texts[code]))
        code++;
    wire_expect(wire, code <= ACK_UNAVAILABLE, DECODE_RANGE);
    return (enum ack_code)code;
}

static size_t
read_rows(struct wire *wire)
{
    return (size_t)wire_integer(wire, 0, BATCH_ROWS_MAX);
}

static void
read_refusal(struct wire *refusals, struct refusal *refusal)
{
    struct wire wire = wire_array(refusals, SIZE_MAX);
    wire_expect(&wire, wire.left >= 2, DECODE_FORMAT);
    refusal->row = (size_t)wire_integer(&wire, 0, BATCH_ROWS_MAX - 1);
    wire_text(&wire, refusal->reason, sizeof refusal->reason);
    wire_expect(refusals, !wire.result, wire.result);
}

static void
read_refusals(struct wire *wire, struct ack *ack)
{
    struct wire refusals = wire_array(wire, BATCH_ROWS_MAX);
    wire_expect(wire, refusals.left == ack->refused, DECODE_RANGE);
    if (wire->result)
        return;
    ack->refusals = mem_alloc(ack->refused * sizeof *ack->refusals);
    for (size_t i = 0; i < ack->refused; i++)
        read_refusal(&refusals, &ack->refusals[i]);
    wire_expect(wire, !refusals.result, refusals.result);
}

enum decode_result
ack_decode(const void *topic, size_t topic_bytes, const void *body, size_t body_bytes,
           struct ack *ack)
{
    memset(ack, 0, sizeof *ack);
    if (topic_bytes != strlen(ACK_TOPIC) || memcmp(topic, ACK_TOPIC, topic_bytes))
        return DECODE_TOPIC;
    struct wire_body opened;
    wire_open(&opened, body, body_bytes, WIRE_REQUEST_BYTES_MAX);
    struct wire *wire = &opened.elements;
    wire_expect(wire, wire->left >= ACK_ELEMENTS_LEAST - 1, DECODE_FORMAT);
    ack->id = wire_id(wire);
    ack->code = read_code(wire);
    wire_text(wire, ack->message, sizeof ack->message);
    ack->saved = read_rows(wire);
    ack->kept = read_rows(wire);
    ack->ignored = read_rows(wire);
    ack->refused = read_rows(wire);
    read_refusals(wire, ack);
    if (!wire->result && wire->left)
        ack->spooled = read_rows(wire);
    enum decode_result result = wire->result;
    wire_close(&opened);
    if (result)
        ack_fini(ack);
    return result;
}

struct encoded
ack_encode(struct encoder *encoder, const struct ack *ack)
{
    assert(ack->code <= ACK_UNAVAILABLE && ack->refused <= BATCH_ROWS_MAX);
    strcpy(encoder->topic, ACK_TOPIC);
    encoder->topic_bytes = strlen(ACK_TOPIC);
    msgpack_packer *packer = encoder_begin(encoder, ACK_ELEMENTS);
    msgpack_pack_uint64(packer, ack->id);
    encoder_pack_text(packer, ack_code_text(ack->code));
    encoder_pack_text(packer, ack->message);
    msgpack_pack_uint64(packer, ack->saved);
    msgpack_pack_uint64(packer, ack->kept);
    msgpack_pack_uint64(packer, ack->ignored);
    msgpack_pack_uint64(packer, ack->refused);
    msgpack_pack_array(packer, ack->refused);
    for (size_t i = 0; i < ack->refused; i++) {
        msgpack_pack_array(packer, 2);
        msgpack_pack_uint64(packer, ack->refusals[i].row);
        encoder_pack_text(packer, ack->refusals[i].reason);
    }
    msgpack_pack_uint64(packer, ack->spooled);
    return encoder_end(encoder);
}

void
ack_fini(struct ack *ack)
{
    free(ack->refusals);
    memset(ack, 0, sizeof *ack);
}
