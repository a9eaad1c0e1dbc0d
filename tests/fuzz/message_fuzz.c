/* A published message. What decodes encodes to the same message again, under the same topic,
 * and has a line for people and one of JSON. Input: the topic's length, topic, body. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "message_json.h"
#include "tap_line.h"

#include "fuzz.h"

static void
check_again(struct message *message, const char *topic, size_t topic_bytes)
{
    static struct encoder *encoder;
    static struct message again;
    if (!encoder)
        encoder = encoder_new();
    struct encoded encoded = message_encode(encoder, message);
    assert(encoded.topic_bytes == topic_bytes && !memcmp(encoded.topic, topic, topic_bytes));
    memset(&again, 0, sizeof again);
    enum decode_result result = message_decode(encoded.topic, encoded.topic_bytes, encoded.body,
                                               encoded.body_bytes, &again);
    assert(result == DECODE_OK);
    fuzz_tidy(message->node, sizeof message->node);
    fuzz_tidy(again.node, sizeof again.node);
    assert(!memcmp(message, &again, sizeof again));
}

static void
check_line(const struct message *message, bool json)
{
    char *line = tap_line(message, json);
    if (!line) {
        assert(!json);
        return;
    }
    size_t length = strlen(line);
    for (size_t i = 0; i < length - 1; i++) /* nothing that a terminal obeys */
        assert(line[i] >= ' ' && line[i] < 0x7f);
    assert(line[length - 1] == '\n');
    json_t *object = json ? json_loads(line, JSON_ALLOW_NUL, NULL) : NULL;
    assert(!json || json_is_object(object));
    json_decref(object);
    free(line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct message message;
    struct fuzz fuzz = {data, size};
    size_t topic_bytes, body_bytes;
    char *topic = fuzz_part(&fuzz, &topic_bytes);
    char *body = fuzz_rest(&fuzz, &body_bytes);
    memset(&message, 0, sizeof message);
    if (message_decode(topic, topic_bytes, body, body_bytes, &message) == DECODE_OK) {
        check_again(&message, topic, topic_bytes);
        check_line(&message, true);
        check_line(&message, false);
    }
    free(topic);
    free(body);
    return 0;
}
