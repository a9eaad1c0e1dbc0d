/* Data or an error → the text of an answer. */
#include <assert.h>
#include <stdlib.h>

#include "mem.h"
#include "reply_json.h"

/* Gives the object back; the text ends with a newline, for those who read it in a terminal. */
static char *
dump(json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    assert(text);
    json_decref(object);
    char *line = mem_format("%s\n", text);
    free(text);
    return line;
}

char *
reply_json_data(json_t *data)
{
    return dump(json_pack("{s:b, s:o}", "success", 1, "data", data));
}

char *
reply_json_error(enum api_error error, const char *message)
{
    char *plain = mem_text(message);
    for (char *c = plain; *c; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
    json_t *object = json_pack("{s:b, s:{s:s, s:s}}", "success", 0, "error", "code",
                               api_errors[error].code, "message", plain);
    free(plain);
    return dump(object);
}
