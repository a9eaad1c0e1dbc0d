/* A request to the store, which is also what spools and outboxes keep. What decodes encodes to
 * the same request again; its rows are judged without a crash. Input: the kind, the body. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store_request.h"

#include "fuzz.h"

#define NOW_MS 1761056100000 /* of the vectors */

static void
check_rows(const struct store_request *request)
{
    char reason[SNAPSHOT_REASON_BYTES];
    for (size_t i = 0; i < request->row_count; i++) {
        assert(auction_valid(request->rows[i].auction, strlen(request->rows[i].auction)));
        if (!snapshot_check(&request->rows[i], NOW_MS, reason))
            continue;
        assert(*reason && memchr(reason, 0, sizeof reason));
    }
}

static void
check_again(const struct store_request *request)
{
    static struct encoder *encoder;
    struct store_request *again;
    uint64_t id;
    if (!encoder)
        encoder = encoder_new();
    struct encoded encoded = store_request_encode(encoder, request);
    enum decode_result result = store_request_decode(
        encoded.topic, encoded.topic_bytes, encoded.body, encoded.body_bytes, &again, &id);
    assert(result == DECODE_OK && id == request->id && again->id == id);
    assert(again->kind == request->kind && !strcmp(again->key, request->key));
    assert(!strcmp(again->auction, request->auction) && again->enabled == request->enabled);
    assert(again->row_count == request->row_count);
    if (again->row_count)
        assert(!memcmp(again->rows, request->rows, again->row_count * sizeof *again->rows));
    store_request_destroy(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    struct store_request *request;
    size_t length;
    uint64_t id;
    const char *topic = fuzz_byte(&fuzz) & 1 ? "setting/" : "batch/";
    char *body = fuzz_rest(&fuzz, &length);
    if (store_request_decode(topic, strlen(topic), body, length, &request, &id) == DECODE_OK) {
        check_rows(request);
        check_again(request);
    }
    store_request_destroy(&request);
    free(body);
    return 0;
}
