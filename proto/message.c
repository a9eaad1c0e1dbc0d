/* In: a topic and a body. Out: a message; and the other way round. What all kinds share is
 * here, what is a kind's own in codec_*.c. */
#include <assert.h>
#include <string.h>

#include "codec.h"
#include "topic.h"

static const struct codec {
    size_t elements; /* with version and node */
    void (*read)(struct wire *wire, struct message *message);
    void (*write)(msgpack_packer *packer, const struct message *message);
} codecs[] = {
    [MESSAGE_EVENT] = {8, event_read, event_write},
    [MESSAGE_COUNT] = {7, count_read, count_write},
    [MESSAGE_SNAPSHOT] = {3 + FIGURE_COUNT, snapshot_read, snapshot_write},
    [MESSAGE_HEARTBEAT] = {7, heartbeat_read, heartbeat_write},
    [MESSAGE_BYE] = {4, bye_read, bye_write},
};

const char *
decode_result_text(enum decode_result result)
{
    static const char *const texts[] = {"ok", "topic", "version", "format", "type", "range"};
    return texts[result];
}

/* The node of the body, which must be the topic's where that names one. */
static void
read_node(struct wire *wire, struct message *message)
{
    char node[NODE_BYTES];
    wire_node(wire, node);
    wire_expect(wire, !*message->node || !strcmp(node, message->node), DECODE_RANGE);
    memcpy(message->node, node, sizeof node);
}

enum decode_result
message_decode(const void *topic, size_t topic_bytes, const void *body, size_t body_bytes,
               struct message *message)
{
    if (!topic_read(topic, topic_bytes, message))
        return DECODE_TOPIC;
    const struct codec *codec = &codecs[message->kind];
    struct wire_body opened;
    wire_open(&opened, body, body_bytes, WIRE_BODY_BYTES_MAX);
    struct wire *wire = &opened.elements;
    wire_expect(wire, wire->left >= codec->elements - 1, DECODE_FORMAT);
    read_node(wire, message);
    message->epoch_ms = wire_integer(wire, 1, WIRE_INTEGER_MAX);
    codec->read(wire, message);
    enum decode_result result = wire->result;
    wire_close(&opened);
    return result;
}

struct encoded
message_encode(struct encoder *encoder, const struct message *message)
{
    assert(message->kind <= MESSAGE_BYE);
    assert(node_valid(message->node, strlen(message->node)));
    assert(message->epoch_ms > 0 && message->epoch_ms <= WIRE_INTEGER_MAX);
    encoder->topic_bytes = topic_write(message, encoder->topic);
    const struct codec *codec = &codecs[message->kind];
    size_t more = message->kind == MESSAGE_HEARTBEAT ? heartbeat_more(message) : 0;
    msgpack_packer *packer = encoder_begin(encoder, codec->elements + more);
    encoder_pack_text(packer, message->node);
    msgpack_pack_int64(packer, message->epoch_ms);
    codec->write(packer, message);
    return encoder_end(encoder);
}
