/* The request's memory, its body, and the forms of its answer. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_metrics.h"
#include "cors.h"
#include "mem.h"
#include "pages.h"
#include "reply_json.h"
#include "request.h"

#define POLICY "Content-Security-Policy" /* pages have one of their own */
#define RETRY_AFTER_GUESSES "60"         /* seconds; all guesses are forgotten by then */
#define RETRY_AFTER "2"                  /* seconds */

struct request *
request_new(const struct api_context *api, const char *target)
{
    struct request *request = mem_alloc(sizeof *request);
    request->api = api;
    request->refused = API_ERROR_COUNT;
    target_init(&request->target, target);
    request->target_bytes = strlen(target);
    metrics_add(api->metrics, METRIC_IN_FLIGHT, 1);
    return request;
}

void
request_destroy(struct request **request)
{
    if (!*request)
        return;
    metrics_add((*request)->api->metrics, METRIC_IN_FLIGHT, -1);
    if ((*request)->call.answered)
        ack_fini(&(*request)->call.ack);
    target_fini(&(*request)->target);
    free((*request)->body);
    free(*request);
    *request = NULL;
}

const char *
request_header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

void
request_refuse(struct request *request, enum api_error error, const char *format, ...)
{
    va_list arguments;
    if (request->refused != API_ERROR_COUNT)
        return;
    request->refused = error;
    va_start(arguments, format);
    vsnprintf(request->reason, sizeof request->reason, format, arguments);
    va_end(arguments);
}

bool
request_take_body(struct request *request, const char *bytes, size_t count)
{
    if (request->body_bytes + count > BODY_BYTES_MAX)
        request_refuse(request, API_PAYLOAD_TOO_LARGE, TOO_LARGE, BODY_BYTES_MAX);
    if (request->refused != API_ERROR_COUNT) {
        request->discarded_bytes += count;
        return request->discarded_bytes <= BODY_DISCARD_MAX;
    }
    if (!request->body)
        request->body = mem_alloc(BODY_BYTES_MAX);
    memcpy(request->body + request->body_bytes, bytes, count);
    request->body_bytes += count;
    return true;
}

static void
count_status(const struct request *request, unsigned status)
{
    enum api_metric row = status < 300   ? METRIC_REQUESTS_2XX
                          : status < 400 ? METRIC_REQUESTS_3XX
                          : status < 500 ? METRIC_REQUESTS_4XX
                                         : METRIC_REQUESTS_5XX;
    metrics_add(request->api->metrics, row, 1);
}

enum MHD_Result
request_reply(struct request *request, unsigned status, struct MHD_Response *response)
{
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
    MHD_add_response_header(response, "X-Frame-Options", "DENY");
    if (!MHD_get_response_header(response, POLICY))
        MHD_add_response_header(response, POLICY, "default-src 'none'; frame-ancestors 'none'");
    cors_add_headers(request, response);
    enum MHD_Result result = MHD_queue_response(request->connection, status, response);
    MHD_destroy_response(response);
    count_status(request, status);
    return result;
}

/* text: taken over. */
static struct MHD_Response *
make_json(char *text)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return response;
}

enum MHD_Result
request_reply_data(struct request *request, json_t *data)
{
    return request_reply(request, MHD_HTTP_OK, make_json(reply_json_data(data)));
}

enum MHD_Result
request_fail(struct request *request, enum api_error error, const char *format, ...)
{
    char message[REQUEST_REASON_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    metrics_add(request->api->metrics, METRIC_ERRORS + error, 1);
    struct MHD_Response *response = pages_error(request);
    if (!response)
        response = make_json(reply_json_error(error, message));
    if (error == API_MALFORMED_REQUEST) /* whatever comes behind it */
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    if (error == API_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, request->match.allow);
    if (error == API_UNAUTHORIZED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                                "Bearer realm=\"headcount\"");
    if (error == API_TOO_MANY_WRONG_KEYS)
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, RETRY_AFTER_GUESSES);
    if (api_errors[error].status == MHD_HTTP_SERVICE_UNAVAILABLE)
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, RETRY_AFTER);
    return request_reply(request, api_errors[error].status, response);
}

enum MHD_Result
request_fail_database(struct request *request, const struct storage_error *error)
{
    bool missing = error->failure == STORAGE_MISSING;
    return request_fail(request, API_DATABASE_UNAVAILABLE, "%s; try again later",
                        missing ? "the store has not prepared the database yet"
                                : "the database cannot be read now");
}

/* Loop thread. */
static void
on_call_done(struct store_call *call)
{
    struct request *request = (struct request *)((char *)call - offsetof(struct request, call));
    MHD_resume_connection(request->connection);
}

enum MHD_Result
request_call_store(struct request *request, route_f *resume)
{
    request->resume = resume;
    request->call.done = on_call_done;
    MHD_suspend_connection(request->connection);
    if (!store_client_call(request->api->store, &request->call))
        MHD_resume_connection(request->connection); /* it goes on as one given up */
    return MHD_YES;
}

bool
request_call_went_well(struct request *request, enum MHD_Result *result)
{
    const struct store_call *call = &request->call;
    if (call->answered && call->ack.code == ACK_OK)
        return true;
    if (!call->answered)
        *result = request_fail(request, API_STORE_UNAVAILABLE,
                               "no store answered in time; nothing is known to be saved; try "
                               "again later");
    else if (call->ack.code == ACK_UNAVAILABLE)
        *result = request_fail(request, API_STORE_UNAVAILABLE,
                               "the store cannot save now; try again later");
    else
        *result = request_fail(request, API_STORE_REFUSED,
                               "the store refused the request (%s): this server's settings "
                               "do not fit the store's",
                               ack_code_text(call->ack.code));
    return false;
}
