/* GET and PATCH …/settings: read from the database, changed through the store, which is its
 * only writer. HTTP threads. */
#include <string.h>

#include "answer.h"
#include "handlers.h"
#include "settings_body.h"
#include "store_wait.h"

static enum MHD_Result
send_settings(struct request *request, bool enabled)
{
    return answer_data(request, json_pack("{s:s, s:b}", "auction", request->match.argument,
                                          "enableViewerAnalytics", enabled));
}

enum MHD_Result
settings_get(struct request *request)
{
    struct storage_auction row = {0};
    struct storage_error error;
    bool known = false;
    struct storage *storage = storage_pool_take(request->api->pool, &error);
    if (!storage)
        return answer_database_error(request, &error);
    int failed = storage_auction(storage, request->match.argument, &known, &row, &error);
    storage_pool_give(request->api->pool, storage, failed ? &error : NULL);
    if (failed)
        return answer_database_error(request, &error);
    return send_settings(request, known && row.enabled);
}

static enum MHD_Result
answer_patch(struct request *request)
{
    enum MHD_Result result;
    if (!store_wait_went_well(request, &result))
        return result;
    return send_settings(request, request->call.enabled);
}

enum MHD_Result
settings_patch(struct request *request)
{
    char reason[BODY_REASON_BYTES];
    struct store_call *call = &request->call;
    enum api_error error =
        settings_body_decode(request->body, request->body_bytes, &call->enabled, reason);
    if (error != API_ERROR_COUNT)
        return answer_error(request, error, "%s", reason);
    call->kind = REQUEST_SETTING;
    strcpy(call->auction, request->match.argument); /* a valid id fits */
    return store_wait_begin(request, answer_patch);
}
