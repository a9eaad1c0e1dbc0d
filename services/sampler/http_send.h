/* Snapshots to a backend of the owner's over HTTP, each as a POST of its own, as the seed's
 * socket server did. A batch at a time, a few of its rows at once; what the backend answers is
 * made one acknowledgement of the batch. Runs in the loop and never blocks; all functions and
 * callbacks in the loop's thread. */
#ifndef HTTP_SEND_H
#define HTTP_SEND_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "outbox.h"
#include "store_request.h"

#define HTTP_SEND_AT_ONCE 16 /* requests */

struct http_send;

/* All rows were answered, or one was not and the rest is not tried: the callee's to look at. */
typedef void http_send_done_f(void *arg, const struct ack *ack);

struct http_send_options {
    uv_loop_t *loop;
    const char *url;    /* of the backend, without the path; borrowed for good */
    int64_t timeout_ms; /* of one request */
    http_send_done_f *done;
    void *arg;
};

/* NULL: libcurl cannot be started. */
struct http_send *http_send_new(const struct http_send_options *options);
void http_send_destroy(struct http_send **http); /* gives up what is under way; no callback */

/* Posts a batch's rows, copied, with the key. False: another batch is under way. */
bool http_send_batch(struct http_send *http, const struct outbox_batch *batch, const char *key);

/* Whether text is a URL that snapshots can be posted to: http:// or https:// and a host, maybe
 * a path, no user, query or fragment. */
bool http_send_url_valid(const char *text);

#endif
