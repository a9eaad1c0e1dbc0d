/* A backend's answers to the rows of a batch: each row ends up counted once, unless the batch
 * is put off. Input: for each row a status and an answer. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "backend_answer.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    struct ack ack = {0};
    size_t rows = 0, length;
    while (fuzz.left && ack.code == ACK_OK) {
        long status = (long)fuzz_integer(&fuzz, 2);
        char *answer = fuzz_part(&fuzz, &length);
        backend_answer_take(&ack, rows, status, answer, length);
        rows += ack.code == ACK_OK;
        free(answer);
    }
    assert(ack.saved + ack.kept + ack.ignored + ack.spooled + ack.refused == rows);
    for (size_t i = 0; i < ack.refused; i++)
        assert(ack.refusals[i].row < rows && *ack.refusals[i].reason);
    assert((ack.code == ACK_OK) == !*ack.message);
    ack_fini(&ack);
    return 0;
}
