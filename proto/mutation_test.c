/* Vectors with bytes changed, dropped, doubled and moved, through every decoder: none may
 * crash, read beyond the bytes (build with a sanitizer), or take what it could not encode
 * again. $SEED repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "mem.h"

#include "store_request.h"
#include "stream.h"
#include "vectors.h"

#define ROUNDS 100000
#define VECTORS_MAX 2000
#define MUTATIONS_MAX 4

struct sample {
    char *topic;
    unsigned char *body;
    size_t topic_bytes, body_bytes;
};

static struct sample samples[VECTORS_MAX];
static size_t sample_count;
static struct chance chance;

static uint64_t
draw(uint64_t below)
{
    return chance_below(&chance, below);
}

static void
keep(void *arg, const struct vector *vector)
{
    (void)arg;
    assert_true(sample_count < VECTORS_MAX);
    struct sample *sample = &samples[sample_count++];
    sample->topic = mem_alloc(vector->topic_bytes);
    memcpy(sample->topic, vector->topic, vector->topic_bytes);
    sample->topic_bytes = vector->topic_bytes;
    sample->body = mem_alloc(vector->body_bytes);
    memcpy(sample->body, vector->body, vector->body_bytes);
    sample->body_bytes = vector->body_bytes;
}

/* Changes data (with room for one more byte) and its length. */
static void
mutate(unsigned char *data, size_t *bytes)
{
    static const unsigned char telling[] = {0x00, 0x7f, 0x80, 0x90, 0xa0, 0xc0, 0xc1,
                                            0xc4, 0xc7, 0xca, 0xcb, 0xcf, 0xd3, 0xd8,
                                            0xdb, 0xdd, 0xdf, 0xe0, 0xff, '/',  'a'};
    size_t at = *bytes ? draw(*bytes) : 0;
    switch (*bytes ? draw(5) : 4) {
    case 0:
        data[at] ^= (unsigned char)(1u << draw(8));
        break;
    case 1:
        data[at] = telling[draw(sizeof telling)];
        break;
    case 2:
        *bytes = at;
        break;
    case 3:
        memmove(data + at, data + at + 1, --*bytes - at);
        break;
    case 4:
        memmove(data + at + 1, data + at, (*bytes)++ - at);
        data[at] = telling[draw(sizeof telling)];
        break;
    }
}

/* A changed copy in memory of exactly its size. */
static unsigned char *
copy_mutated(const void *data, size_t *bytes, uint64_t mutations)
{
    unsigned char *work = mem_alloc(*bytes + mutations + 1);
    memcpy(work, data, *bytes);
    for (uint64_t i = 0; i < mutations; i++)
        mutate(work, bytes);
    unsigned char *exact = malloc(*bytes);
    if (*bytes)
        memcpy(exact, work, *bytes);
    free(work);
    return exact;
}

static void
try_message(struct encoder *encoder, struct stream *stream, const struct sample *sample)
{
    struct message message, again;
    uint32_t mark;
    bool gap, behind[SHARD_COUNT];
    if (message_decode(sample->topic, sample->topic_bytes, sample->body, sample->body_bytes,
                       &message))
        return;
    struct encoded encoded = message_encode(encoder, &message);
    assert_int_equal(message_decode(encoded.topic, encoded.topic_bytes, encoded.body,
                                    encoded.body_bytes, &again),
                     DECODE_OK);
    assert_int_equal(encoded.topic_bytes, sample->topic_bytes);
    assert_true(encoded.body_bytes <= sample->body_bytes + 16); /* two floats may grow */
    if (message.kind == MESSAGE_EVENT || message.kind == MESSAGE_COUNT)
        stream_take(stream, &message, &mark, &gap);
    else if (message.kind == MESSAGE_HEARTBEAT)
        stream_heartbeat(stream, &message, behind, &gap);
}

static void
try_store(struct encoder *encoder, const struct sample *sample)
{
    struct store_request *request;
    struct ack ack;
    uint64_t id;
    if (!store_request_decode(sample->topic, sample->topic_bytes, sample->body,
                              sample->body_bytes, &request, &id))
        store_request_encode(encoder, request);
    store_request_destroy(&request);
    if (!ack_decode(sample->topic, sample->topic_bytes, sample->body, sample->body_bytes, &ack))
        ack_encode(encoder, &ack);
    ack_fini(&ack);
}

static void
test_mutations(void **state)
{
    (void)state;
    chance.state = chance_seed("mutation");
    vectors_each(keep, NULL);
    struct encoder *encoder = encoder_new();
    struct stream *stream = mem_alloc(sizeof *stream);
    int rounds = chance_steps(ROUNDS);
    for (int i = 0; i < rounds; i++) {
        struct sample sample = samples[draw(sample_count)];
        const struct sample *other = draw(8) ? &sample : &samples[draw(sample_count)];
        sample.topic_bytes = other->topic_bytes;
        sample.topic = (char *)copy_mutated(other->topic, &sample.topic_bytes, !draw(8));
        sample.body = copy_mutated(sample.body, &sample.body_bytes, draw(MUTATIONS_MAX));
        try_message(encoder, stream, &sample);
        try_store(encoder, &sample);
        subscription_read(MESSAGE_EVENT, sample.topic, sample.topic_bytes);
        subscription_read(MESSAGE_COUNT, sample.body, sample.body_bytes);
        free(sample.topic);
        free(sample.body);
    }
    free(stream);
    encoder_destroy(&encoder);
    for (size_t i = 0; i < sample_count; i++) {
        free(samples[i].topic);
        free(samples[i].body);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mutations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
