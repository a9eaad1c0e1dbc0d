/* Requests to the store and its acknowledgement (proto/README.md, "Store requests"). Pure but
 * for memory; any thread. */
#ifndef STORE_REQUEST_H
#define STORE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"
#include "snapshot.h"

#define BATCH_ROWS_MAX 1000
#define KEY_BYTES_MAX 256
#define ACK_MESSAGE_BYTES 160

enum request_kind { REQUEST_BATCH, REQUEST_SETTING };

struct store_request {
    enum request_kind kind;
    uint64_t id;
    char *key;                   /* terminated, owned */
    struct snapshot *rows;       /* batch: owned; shapes decoded, ranges not yet checked */
    size_t row_count;            /* batch */
    char auction[AUCTION_BYTES]; /* setting */
    bool enabled;                /* setting */
};

/* A row whose auction is malformed or whose element has the wrong type makes the whole request
 * DECODE_TYPE or DECODE_RANGE. On failure *request is NULL and *id is the request's id where it
 * could be read, else 0. */
enum decode_result store_request_decode(const void *topic, size_t topic_bytes, const void *body,
                                        size_t body_bytes, struct store_request **request,
                                        uint64_t *id);
struct encoded store_request_encode(struct encoder *encoder,
                                    const struct store_request *request);
void store_request_destroy(struct store_request **request);

struct refusal {
    size_t row;
    char reason[SNAPSHOT_REASON_BYTES];
};

enum ack_code { ACK_OK, ACK_UNAUTHORIZED, ACK_INVALID, ACK_VERSION, ACK_UNAVAILABLE };

struct ack {
    uint64_t id;
    enum ack_code code;
    char message[ACK_MESSAGE_BYTES];
    size_t saved, kept, ignored, refused;
    struct refusal *refusals; /* `refused` of them; owned, ack_fini frees them */
    size_t spooled;           /* safe on the store's disk, not yet in the database */
};

enum decode_result ack_decode(const void *topic, size_t topic_bytes, const void *body,
                              size_t body_bytes, struct ack *ack);
struct encoded ack_encode(struct encoder *encoder, const struct ack *ack);
void ack_fini(struct ack *ack);
const char *ack_code_text(enum ack_code code); /* as on the wire: "ok", "unauthorized" … */

#endif
