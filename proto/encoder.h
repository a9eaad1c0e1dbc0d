/* The memory messages are encoded into; for proto/ alone. One thread at a time. */
#ifndef ENCODER_H
#define ENCODER_H

#include <msgpack.h>

#include "message.h"

struct encoder {
    char topic[TOPIC_BYTES];
    size_t topic_bytes;
    char *body; /* owned, reused */
    size_t body_bytes;
    size_t body_capacity;
    msgpack_packer packer; /* appends to body */
};

/* Starts a body of `elements` elements, the version among them and already packed. */
msgpack_packer *encoder_begin(struct encoder *encoder, size_t elements);

struct encoded encoder_end(const struct encoder *encoder);

void encoder_pack_text(msgpack_packer *packer, const char *text);

#endif
