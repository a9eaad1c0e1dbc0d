/* A batch's rows as the store judges them: each is kept under its number or refused with a
 * reason, and what is told of it is an acknowledgement. Input: the batch's body. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"

#include "fuzz.h"

#define NOW_MS 1761056100000 /* of the vectors */

static void
check_ack(const struct ack *ack)
{
    static struct encoder *encoder;
    struct ack again;
    if (!encoder)
        encoder = encoder_new();
    struct encoded encoded = ack_encode(encoder, ack);
    enum decode_result result = ack_decode(encoded.topic, encoded.topic_bytes, encoded.body,
                                           encoded.body_bytes, &again);
    assert(result == DECODE_OK && again.refused == ack->refused);
    ack_fini(&again);
}

static void
check(struct job *job)
{
    char reason[SNAPSHOT_REASON_BYTES];
    size_t all = job->request->row_count, good = 0, bad = 0;
    job_check_rows(job, NOW_MS);
    for (size_t row = 0; row < all; row++) {
        bool kept = good < job->request->row_count && job->row_numbers[good] == row;
        bool refused = bad < job->ack.refused && job->ack.refusals[bad].row == row;
        assert(kept != refused);
        if (kept)
            assert(!snapshot_check(&job->request->rows[good], NOW_MS, reason));
        good += kept;
        bad += refused;
    }
    assert(good == job->request->row_count && bad == job->ack.refused);
    check_ack(&job->ack);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    size_t length;
    uint64_t id;
    char *body = fuzz_rest(&fuzz, &length);
    struct job *job = job_new("", 0);
    if (store_request_decode("batch/", 6, body, length, &job->request, &id) == DECODE_OK)
        check(job);
    job_destroy(&job);
    free(body);
    return 0;
}
