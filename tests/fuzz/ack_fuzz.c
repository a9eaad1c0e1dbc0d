/* A store's acknowledgement. What decodes encodes to the same one again. Input: the body. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store_request.h"

#include "fuzz.h"

static void
check_again(const struct ack *ack)
{
    static struct encoder *encoder;
    struct ack again;
    if (!encoder)
        encoder = encoder_new();
    struct encoded encoded = ack_encode(encoder, ack);
    enum decode_result result = ack_decode(encoded.topic, encoded.topic_bytes, encoded.body,
                                           encoded.body_bytes, &again);
    assert(result == DECODE_OK);
    assert(again.id == ack->id && again.code == ack->code);
    assert(!strcmp(again.message, ack->message) && *ack_code_text(ack->code));
    assert(again.saved == ack->saved && again.kept == ack->kept);
    assert(again.ignored == ack->ignored && again.spooled == ack->spooled);
    assert(again.refused == ack->refused);
    for (size_t i = 0; i < ack->refused; i++) {
        assert(again.refusals[i].row == ack->refusals[i].row);
        assert(!strcmp(again.refusals[i].reason, ack->refusals[i].reason));
    }
    ack_fini(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    struct ack ack;
    size_t length;
    char *body = fuzz_rest(&fuzz, &length);
    if (ack_decode("ack/", 4, body, length, &ack) == DECODE_OK)
        check_again(&ack);
    ack_fini(&ack);
    free(body);
    return 0;
}
