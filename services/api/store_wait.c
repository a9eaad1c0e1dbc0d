/* In: calls. Out: suspended connections, and an error for a call that did not go well. */
#include <stddef.h>

#include "answer.h"
#include "store_wait.h"

/* Loop thread. */
static void
on_call_done(struct store_call *call)
{
    struct request *request = (struct request *)((char *)call - offsetof(struct request, call));
    MHD_resume_connection(request->connection);
}

enum MHD_Result
store_wait_begin(struct request *request, route_f *resume)
{
    request->resume = resume;
    request->call.done = on_call_done;
    MHD_suspend_connection(request->connection);
    if (!store_client_call(request->api->store, &request->call))
        MHD_resume_connection(request->connection); /* it goes on as one given up */
    return MHD_YES;
}

bool
store_wait_went_well(struct request *request, enum MHD_Result *result)
{
    const struct store_call *call = &request->call;
    if (call->answered && call->ack.code == ACK_OK)
        return true;
    if (!call->answered)
        *result = answer_error(request, API_STORE_UNAVAILABLE,
                               "no store answered in time; nothing is known to be saved; try "
                               "again later");
    else if (call->ack.code == ACK_UNAVAILABLE)
        *result = answer_error(request, API_STORE_UNAVAILABLE,
                               "the store cannot save now; try again later");
    else
        *result = answer_error(request, API_STORE_REFUSED,
                               "the store refused the request (%s): this server's settings "
                               "do not fit the store's",
                               ack_code_text(call->ack.code));
    return false;
}
