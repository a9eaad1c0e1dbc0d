/* GET …/analytics/viewers: the parameters, then a streamed answer. HTTP threads. */
#include "answer.h"
#include "clock.h"
#include "handlers.h"
#include "snapshot_stream.h"

#define BLOCK_BYTES (32 * 1024) /* asked for at once */

static ssize_t
read_part(void *arg, uint64_t position, char *to, size_t room)
{
    (void)position;
    ssize_t count = snapshot_stream_read(arg, to, room);
    return count > 0   ? count
           : count < 0 ? MHD_CONTENT_READER_END_WITH_ERROR
                       : MHD_CONTENT_READER_END_OF_STREAM;
}

static void
free_stream(void *arg)
{
    struct snapshot_stream *stream = arg;
    snapshot_stream_destroy(&stream);
}

enum MHD_Result
analytics_get(struct request *request)
{
    struct snapshot_query query;
    struct storage_error failure;
    char reason[SNAPSHOT_QUERY_REASON_BYTES];
    enum api_error error =
        snapshot_query_parse(&request->target, clock_wall_ms(), &query, reason);
    if (error != API_ERROR_COUNT)
        return answer_error(request, error, "%s", reason);
    struct snapshot_stream *stream = snapshot_stream_new(
        request->api->pool, request->api->metrics, request->match.argument, &query, &failure);
    if (!stream)
        return answer_database_error(request, &failure);
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_part, stream, free_stream);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return answer_send(request, MHD_HTTP_OK, response);
}
