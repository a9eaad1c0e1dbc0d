/* In: a request whose header is there. Out: who may go on, and why not.
 *
 * Passed in this order: form, path, method, key, id, content type. */
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "http_head.h"

#include "admit.h"
#include "api_metrics.h"
#include "auth.h"
#include "cors.h"

#define FORWARDED_LINES 16 /* more than proxies in a row add */

struct forwarded_values {
    const char *name;
    const char *lines[FORWARDED_LINES];
    size_t count;
};

static enum MHD_Result
take_forwarded(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct forwarded_values *values = arg;
    (void)kind;
    if (value && !strcasecmp(name, values->name) && values->count < FORWARDED_LINES)
        values->lines[values->count++] = value;
    return MHD_YES;
}

/* Whose request it is; a proxy that is trusted may say so. False: nobody's. */
static bool
find_caller(const struct request *request, struct address *address)
{
    const struct api_context *api = request->api;
    const struct sockaddr *peer =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)
            ->client_addr;
    struct address viewer;
    struct forwarded_values values = {.name = api->settings->forwarded_header};
    if (!address_of_socket(peer, address))
        return false;
    if (!networks_hold(api->proxies, address))
        return true;
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, take_forwarded, &values);
    if (forwarded_viewer(api->form, values.lines, values.count, api->proxies, &viewer))
        *address = viewer;
    return true;
}

/* A key of before is counted, so that one sees when nobody needs it any more. */
static enum api_error
check_key(const struct request *request, struct keyring *keys, const char *header)
{
    const char *authorization = request_header(request, MHD_HTTP_HEADER_AUTHORIZATION);
    const char *key = request_header(request, header);
    struct guesses *guesses = request->api->guesses;
    struct address caller;
    if (!key && !authorization)
        return API_UNAUTHORIZED; /* and no guess */
    bool known = find_caller(request, &caller);
    if (known && !guesses_allowed(guesses, &caller, clock_mono_ms()))
        return API_TOO_MANY_WRONG_KEYS;
    enum keyring_match match = auth_find(keys, key, authorization);
    if (known && !match)
        guesses_note(guesses, &caller, clock_mono_ms());
    if (match == KEYRING_PREVIOUS)
        metrics_add(request->api->metrics, METRIC_PREVIOUS_KEY, 1);
    return match ? API_ERROR_COUNT : API_UNAUTHORIZED;
}

/* API_ERROR_COUNT: granted. */
static enum api_error
check_access(const struct request *request)
{
    switch (request->match.route->access) {
    case ACCESS_PUBLIC:
        return API_ERROR_COUNT;
    case ACCESS_INTERNAL:
        return check_key(request, request->api->internal_keys, "x-internal-api-key");
    case ACCESS_ANALYTICS:
        if (request->api->settings->analytics_public)
            return API_ERROR_COUNT;
        break;
    case ACCESS_ADMIN:
        break;
    }
    return check_key(request, request->api->admin_keys, "x-admin-api-key");
}

static bool
is_json(const char *type)
{
    static const char json[] = "application/json";
    if (!type)
        return true;
    size_t length = strcspn(type, "; \t");
    return length == sizeof json - 1 && !strncasecmp(type, json, length);
}

void
admit(struct request *request, const char *method, const char *version)
{
    request->match = route_find(routes, route_count, method, &request->target);
    const struct route *route = request->match.route;
    enum api_error access = API_ERROR_COUNT;
    const char *fault =
        http_head_fault(request->connection, method, request->target_bytes, version);
    if (fault)
        request_refuse(request, API_MALFORMED_REQUEST, "the request is malformed: %s", fault);
    else if (request->target.result != TARGET_OK)
        request_refuse(request, API_INVALID_TARGET, "%s",
                       target_result_text(request->target.result));
    else if (request->match.result == ROUTE_NO_PATH)
        request_refuse(request, API_NOT_FOUND,
                       "nothing is here; see /openapi.json for what is where");
    else if (cors_is_preflight(request, method))
        request->preflight = true;
    else if (request->match.result == ROUTE_NO_METHOD)
        request_refuse(request, API_METHOD_NOT_ALLOWED,
                       "this method is not answered here; allowed: %s", request->match.allow);
    else if ((access = check_access(request)) == API_TOO_MANY_WRONG_KEYS)
        request_refuse(request, access,
                       "too many wrong keys came from this address; try again in a minute");
    else if (access != API_ERROR_COUNT)
        request_refuse(
            request, API_UNAUTHORIZED, "%s",
            route->access == ACCESS_INTERNAL
                ? "the internal key is missing or wrong; give it as x-internal-api-key or "
                  "as Authorization: Bearer"
                : "the admin key is missing or wrong; give it as x-admin-api-key or as "
                  "Authorization: Bearer");
    else if (request->match.result == ROUTE_BAD_ID)
        request_refuse(request, API_INVALID_AUCTION_ID,
                       "this is no auction id; allowed: 1 to 64 of A-Z a-z 0-9 _ -");
    else if (route->takes_json &&
             !is_json(request_header(request, MHD_HTTP_HEADER_CONTENT_TYPE)))
        request_refuse(request, API_UNSUPPORTED_MEDIA_TYPE,
                       "the body is of another content type; allowed: application/json");
}
