/* Requests to the store: a sampler's batches, an api's settings. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "codec.h"
#include "store_request.h"

#define BATCH_ELEMENTS 4
#define SETTING_ELEMENTS 5
#define ROW_ELEMENTS (1 + FIGURE_COUNT)

static const char *const request_topics[] = {"batch/", "setting/"};

static void
read_key(struct wire *wire, struct store_request *request)
{
    char key[KEY_BYTES_MAX + 1];
    wire_text(wire, key, sizeof key);
    request->key = mem_text(key);
}

static void
read_row(struct wire *rows, struct snapshot *row)
{
    struct wire wire = wire_array(rows, SIZE_MAX);
    wire_expect(&wire, wire.left >= ROW_ELEMENTS, DECODE_FORMAT);
    wire_auction(&wire, row->auction);
    figures_read(&wire, row);
    wire_expect(rows, !wire.result, wire.result);
}

static void
read_batch(struct wire *wire, struct store_request *request)
{
    struct wire rows = wire_array(wire, BATCH_ROWS_MAX);
    wire_expect(wire, !rows.result && rows.left, DECODE_RANGE);
    if (wire->result)
        return;
    request->row_count = rows.left;
    request->rows = mem_alloc(request->row_count * sizeof *request->rows);
    for (size_t i = 0; i < request->row_count && !rows.result; i++)
        read_row(&rows, &request->rows[i]);
    wire_expect(wire, !rows.result, rows.result);
}

static void
read_setting(struct wire *wire, struct store_request *request)
{
    wire_auction(wire, request->auction);
    request->enabled = wire_switch(wire);
}

/* False when the topic names no request. */
static bool
read_topic(const void *topic, size_t bytes, enum request_kind *kind)
{
    for (*kind = REQUEST_BATCH; *kind <= REQUEST_SETTING; (*kind)++) {
        const char *known = request_topics[*kind];
        if (bytes == strlen(known) && !memcmp(topic, known, bytes))
            return true;
    }
    return false;
}

static void
read_request(struct wire *wire, struct store_request *request)
{
    bool batch = request->kind == REQUEST_BATCH;
    wire_expect(wire, wire->left >= (batch ? BATCH_ELEMENTS : SETTING_ELEMENTS) - 1,
                DECODE_FORMAT);
    request->id = wire_id(wire);
    read_key(wire, request);
    if (batch)
        read_batch(wire, request);
    else
        read_setting(wire, request);
}

enum decode_result
store_request_decode(const void *topic, size_t topic_bytes, const void *body, size_t body_bytes,
                     struct store_request **request, uint64_t *id)
{
    struct wire_body opened;
    wire_open(&opened, body, body_bytes, WIRE_REQUEST_BYTES_MAX);
    *id = opened.id;
    *request = mem_alloc(sizeof **request);
    if (!read_topic(topic, topic_bytes, &(*request)->kind))
        opened.elements.result = DECODE_TOPIC;
    else
        read_request(&opened.elements, *request);
    enum decode_result result = opened.elements.result;
    wire_close(&opened);
    if (result)
        store_request_destroy(request);
    return result;
}

static void
write_rows(msgpack_packer *packer, const struct store_request *request)
{
    assert(request->row_count > 0 && request->row_count <= BATCH_ROWS_MAX);
    msgpack_pack_array(packer, request->row_count);
    for (size_t i = 0; i < request->row_count; i++) {
        const struct snapshot *row = &request->rows[i];
        assert(auction_valid(row->auction, strlen(row->auction)));
        msgpack_pack_array(packer, ROW_ELEMENTS);
        encoder_pack_text(packer, row->auction);
        figures_write(packer, row);
    }
}

static void
write_setting(msgpack_packer *packer, const struct store_request *request)
{
    assert(auction_valid(request->auction, strlen(request->auction)));
    encoder_pack_text(packer, request->auction);
    if (request->enabled)
        msgpack_pack_true(packer);
    else
        msgpack_pack_false(packer);
}

struct encoded
store_request_encode(struct encoder *encoder, const struct store_request *request)
{
    assert(request->kind <= REQUEST_SETTING && strlen(request->key) <= KEY_BYTES_MAX);
    bool batch = request->kind == REQUEST_BATCH;
    strcpy(encoder->topic, request_topics[request->kind]);
    encoder->topic_bytes = strlen(encoder->topic);
    msgpack_packer *packer = encoder_begin(encoder, batch ? BATCH_ELEMENTS : SETTING_ELEMENTS);
    msgpack_pack_uint64(packer, request->id);
    encoder_pack_text(packer, request->key);
    if (batch)
        write_rows(packer, request);
    else
        write_setting(packer, request);
    return encoder_end(encoder);
}

void
store_request_destroy(struct store_request **request)
{
    if (!*request)
        return;
    free((*request)->key);
    free((*request)->rows);
    free(*request);
    *request = NULL;
}
