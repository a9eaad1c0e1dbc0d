/* In: a status and a body. Out: a row's outcome. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"

#include "backend_answer.h"

/* The batch will be tried again. */
static void
put_off(struct ack *ack, enum ack_code code, const char *message)
{
    if (ack->code != ACK_OK)
        return;
    ack->code = code;
    snprintf(ack->message, sizeof ack->message, "%s", message);
}

static void
refuse(struct ack *ack, size_t row, long status, const json_t *answer)
{
    ack->refusals = mem_resize(ack->refusals, (ack->refused + 1) * sizeof *ack->refusals);
    struct refusal *refusal = &ack->refusals[ack->refused++];
    const char *message =
        json_string_value(json_object_get(json_object_get(answer, "error"), "message"));
    refusal->row = row;
    snprintf(refusal->reason, sizeof refusal->reason, "the backend answers %ld%s%.80s", status,
             message ? ": " : "", message ? message : "");
}

/* What became of a row; a backend that does not say has saved it. */
static size_t *
find_outcome(struct ack *ack, const json_t *answer)
{
    const char *outcome =
        json_string_value(json_object_get(json_object_get(answer, "data"), "outcome"));
    if (outcome && !strcmp(outcome, "kept"))
        return &ack->kept;
    if (outcome && !strcmp(outcome, "ignored"))
        return &ack->ignored;
    if (outcome && !strcmp(outcome, "spooled"))
        return &ack->spooled;
    return &ack->saved;
}

void
backend_answer_take(struct ack *ack, size_t row, long status, const char *body,
                    size_t body_bytes)
{
    char message[ACK_MESSAGE_BYTES];
    json_t *answer = json_loadb(body ? body : "", body_bytes, 0, NULL);
    snprintf(message, sizeof message, "the backend answers %ld", status);
    if (status / 100 == 2)
        ++*find_outcome(ack, answer);
    else if (status == 401 || status == 403)
        put_off(ack, ACK_UNAUTHORIZED, message);
    else if (status / 100 == 4 && status != 408 && status != 425 && status != 429)
        refuse(ack, row, status, answer);
    else
        put_off(ack, ACK_UNAVAILABLE, message);
    json_decref(answer);
}

void
backend_answer_missing(struct ack *ack, const char *reason)
{
    char message[ACK_MESSAGE_BYTES];
    snprintf(message, sizeof message, "the backend: %s", reason);
    put_off(ack, ACK_UNAVAILABLE, message);
}
