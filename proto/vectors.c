/* In: the JSON files of vectors/. Out: vectors as bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "vectors.h"

static const char *const file_names[] = {"event", "count", "snapshot", "heartbeat",
                                         "bye",   "batch", "setting",  "ack"};

/* Memory of exactly the bytes, so that a sanitizer sees a read beyond them. */
static unsigned char *
read_hex(const char *hex, size_t *bytes)
{
    *bytes = strlen(hex) / 2;
    unsigned char *data = malloc(*bytes);
    for (size_t i = 0; i < *bytes; i++) {
        unsigned value = 0;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &value), 1);
        data[i] = (unsigned char)value;
    }
    return data;
}

static void
use_one(const char *file, const json_t *json, vector_f *use, void *arg)
{
    const json_t *topic = json_object_get(json, "topic");
    const json_t *canonical = json_object_get(json, "canonical");
    struct vector vector = {.file = file,
                            .name = json_string_value(json_object_get(json, "name")),
                            .topic = json_string_value(topic),
                            .topic_bytes = json_string_length(topic),
                            .message = json_object_get(json, "message"),
                            .result = json_string_value(json_object_get(json, "result")),
                            .canonical = !json_is_false(canonical)};
    vector.body =
        read_hex(json_string_value(json_object_get(json, "body_hex")), &vector.body_bytes);
    assert_true(!vector.message == !!vector.result);
    if (vector.message)
        vector.result = "ok";
    use(arg, &vector);
    free(vector.body);
}

size_t
vectors_each(vector_f *use, void *arg)
{
    size_t count = 0, index;
    for (size_t i = 0; i < sizeof file_names / sizeof *file_names; i++) {
        const char *folder = getenv("VECTORS");
        char *path = mem_format("%s/%s.json", folder ? folder : ".", file_names[i]);
        json_error_t error;
        json_t *list = json_load_file(path, JSON_ALLOW_NUL, &error), *json;
        if (!list)
            fail_msg("%s: %s", path, error.text);
        json_array_foreach(list, index, json)
        {
            use_one(file_names[i], json, use, arg);
            count++;
        }
        json_decref(list);
        free(path);
    }
    return count;
}
