/* A date and time as text. What is read reads the same when it is written. Input: the text. */
#include <assert.h>
#include <stdlib.h>

#include "clock.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    char *text = fuzz_text(&fuzz), written[CLOCK_TEXT_BYTES];
    int64_t time_ms, again_ms;
    if (!clock_parse(text, &time_ms)) {
        clock_text(time_ms, written);
        int result = clock_parse(written, &again_ms);
        assert(!result && again_ms == time_ms);
    }
    free(text);
    return 0;
}
