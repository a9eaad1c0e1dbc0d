/* The HTTP port: libmicrohttpd's threads, and what every request passes before its handler
 * sees it (address, method, key, id, content type, size). */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <stddef.h>
#include <uv.h>

#include "api_context.h"

struct http_server;

/* Serves from now on; the loop looks for connections that take too long. NULL with one line in
 * error. api is borrowed. */
struct http_server *http_server_new(const struct api_context *api, uv_loop_t *loop, char *error,
                                    size_t error_bytes);

/* Takes no new connections; those that are there go on. In the loop's thread. */
void http_server_quiesce(struct http_server *server);

/* Closes everything and waits for the threads (not in the loop's thread, which they may be
 * waiting for). No request may be suspended. */
void http_server_destroy(struct http_server **server);

#endif
