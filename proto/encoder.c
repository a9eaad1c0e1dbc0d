/* In: packed elements. Out: a topic and a body in memory that is reused. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "encoder.h"

#define FIRST_BODY_BYTES 256

static int
append(void *data, const char *bytes, size_t count)
{
    struct encoder *encoder = data;
    size_t needed = encoder->body_bytes + count;
    if (needed > encoder->body_capacity) {
        while (encoder->body_capacity < needed)
            encoder->body_capacity *= 2;
        encoder->body = mem_resize(encoder->body, encoder->body_capacity);
    }
    memcpy(encoder->body + encoder->body_bytes, bytes, count);
    encoder->body_bytes = needed;
    return 0;
}

struct encoder *
encoder_new(void)
{
    struct encoder *encoder = mem_alloc(sizeof *encoder);
    encoder->body = mem_alloc(FIRST_BODY_BYTES);
    encoder->body_capacity = FIRST_BODY_BYTES;
    msgpack_packer_init(&encoder->packer, encoder, append);
    return encoder;
}

void
encoder_destroy(struct encoder **encoder)
{
    if (!*encoder)
        return;
    free((*encoder)->body);
    free(*encoder);
    *encoder = NULL;
}

msgpack_packer *
encoder_begin(struct encoder *encoder, size_t elements)
{
    encoder->body_bytes = 0;
    msgpack_pack_array(&encoder->packer, elements);
    msgpack_pack_uint64(&encoder->packer, PROTOCOL_VERSION);
    return &encoder->packer;
}

struct encoded
encoder_end(const struct encoder *encoder)
{
    return (struct encoded){encoder->topic, encoder->topic_bytes, encoder->body,
                            encoder->body_bytes};
}

void
encoder_pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
}
