/* Every error the api answers with: its code for programs, its status, and (by being a row
 * here) its own counter headcount_api_errors_total{code="…"}. Constant; any thread. */
#ifndef API_ERROR_H
#define API_ERROR_H

/* name, status, code */
#define API_ERRORS(X)                                                                          \
    X(MALFORMED_REQUEST, 400, "malformed_request")   /* two readers might read two */          \
    X(INVALID_TARGET, 400, "invalid_target")         /* percent-encoding, doubled parameter */ \
    X(INVALID_AUCTION_ID, 400, "invalid_auction_id") /* in the path */                         \
    X(INVALID_RANGE, 400, "invalid_range")           /* timeRange, from, to */                 \
    X(INVALID_LIMIT, 400, "invalid_limit")           /* limit */                               \
    X(INVALID_CURSOR, 400, "invalid_cursor")         /* after */                               \
    X(INVALID_JSON, 400, "invalid_json")             /* the body is no JSON object */          \
    X(UNKNOWN_FIELD, 400, "unknown_field")           /* of settings */                         \
    X(UNAUTHORIZED, 401, "unauthorized")             /* no key, or a wrong one */              \
    X(TOO_MANY_WRONG_KEYS, 429, "too_many_wrong_keys") /* of one address */                    \
    X(NOT_FOUND, 404, "not_found")                     /* no such address */                   \
    X(METHOD_NOT_ALLOWED, 405, "method_not_allowed")   /* with Allow */                        \
    X(PAYLOAD_TOO_LARGE, 413, "payload_too_large")     /* a body over 64 KiB */                \
    X(UNSUPPORTED_MEDIA_TYPE, 415, "unsupported_media_type")                                   \
    X(INVALID_SNAPSHOT, 422, "invalid_snapshot") /* a field is missing, mistyped, off range */ \
    X(INVALID_SETTING, 422, "invalid_setting")   /* likewise */                                \
    X(STORE_REFUSED, 500, "store_refused")       /* the store does not accept our key */       \
    X(STORE_UNAVAILABLE, 503, "store_unavailable")                                             \
    X(DATABASE_UNAVAILABLE, 503, "database_unavailable")

#define API_ERROR_NAME(name_, status_, code_) API_##name_,
enum api_error { API_ERRORS(API_ERROR_NAME) API_ERROR_COUNT };
#undef API_ERROR_NAME

struct api_error_row {
    unsigned status;
    const char *code;
};
extern const struct api_error_row api_errors[API_ERROR_COUNT];

#endif
