/* POST …/analytics/snapshot: body → snapshot → store → what became of it. HTTP threads. */
#include <string.h>

#include "answer.h"
#include "api_metrics.h"
#include "clock.h"
#include "handlers.h"
#include "snapshot_body.h"
#include "store_wait.h"

static enum MHD_Result
send_outcome(struct request *request, enum api_metric row, const char *outcome,
             const char *message)
{
    metrics_add(request->api->metrics, row, 1);
    return answer_data(request,
                       json_pack("{s:s, s:s}", "outcome", outcome, "message", message));
}

static enum MHD_Result
answer_post(struct request *request)
{
    const struct ack *ack = &request->call.ack;
    enum MHD_Result result;
    if (!store_wait_went_well(request, &result))
        return result;
    if (ack->refused)
        return answer_error(request, API_INVALID_SNAPSHOT, "%s",
                            ack->refusals ? ack->refusals[0].reason : "refused by the store");
    if (ack->saved)
        return send_outcome(request, METRIC_SNAPSHOTS_SAVED, "saved", "Viewer snapshot saved");
    if (ack->spooled)
        return send_outcome(request, METRIC_SNAPSHOTS_SPOOLED, "spooled",
                            "The snapshot is safe on the store's disk and goes on to the "
                            "database when that answers again");
    if (ack->kept)
        return send_outcome(request, METRIC_SNAPSHOTS_KEPT, "kept",
                            "A snapshot of this time with as many samples is stored already");
    return send_outcome(request, METRIC_SNAPSHOTS_IGNORED, "ignored",
                        "Viewer analytics are not enabled for this auction");
}

enum MHD_Result
snapshot_post(struct request *request)
{
    char reason[BODY_REASON_BYTES];
    struct store_call *call = &request->call;
    enum api_error error =
        snapshot_body_decode(request->match.argument, request->body, request->body_bytes,
                             clock_wall_ms(), &call->snapshot, reason);
    if (error != API_ERROR_COUNT)
        return answer_error(request, error, "%s", reason);
    call->kind = REQUEST_BATCH;
    return store_wait_begin(request, answer_post);
}
