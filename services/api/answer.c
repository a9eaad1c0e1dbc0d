/* In: data, errors, responses. Out: answers with the headers that every one has, counted. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "api_metrics.h"
#include "cors.h"
#include "page_file.h"
#include "reply_json.h"

#define POLICY "Content-Security-Policy" /* pages have one of their own */
#define RETRY_AFTER_GUESSES "60"         /* seconds; all guesses are forgotten by then */
#define RETRY_AFTER "2"                  /* seconds */

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
answer_send(struct request *request, unsigned status, struct MHD_Response *response)
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
answer_data(struct request *request, json_t *data)
{
    return answer_send(request, MHD_HTTP_OK, make_json(reply_json_data(data)));
}

enum MHD_Result
answer_error(struct request *request, enum api_error error, const char *format, ...)
{
    char message[REQUEST_REASON_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    metrics_add(request->api->metrics, METRIC_ERRORS + error, 1);
    struct MHD_Response *response = page_file_error(request);
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
    return answer_send(request, api_errors[error].status, response);
}

enum MHD_Result
answer_database_error(struct request *request, const struct storage_error *error)
{
    bool missing = error->failure == STORAGE_MISSING;
    return answer_error(request, API_DATABASE_UNAVAILABLE, "%s; try again later",
                        missing ? "the store has not prepared the database yet"
                                : "the database cannot be read now");
}

enum MHD_Result
answer_preflight(struct request *request)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    cors_add_leave(request, response);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return answer_send(request, MHD_HTTP_NO_CONTENT, response);
}
