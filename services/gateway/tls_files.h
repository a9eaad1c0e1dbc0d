/* The certificate's files: read at the start, again when they change (looked at on a timer:
 * tools that renew certificates swap links, which no watch follows) and on SIGHUP. A pair that
 * cannot be used is told of in the log and the one before stays. Lives in the loop; one thread.
 */
#ifndef TLS_FILES_H
#define TLS_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "metrics.h"

#include "tls_server.h"

struct tls_files;

struct tls_files_options {
    const char *cert_path; /* borrowed for good */
    const char *key_path;
    int64_t check_ms; /* how often to look whether they changed */
};

/* NULL with the reason in error. metrics: borrowed. */
struct tls_files *tls_files_new(uv_loop_t *loop, const struct tls_files_options *options,
                                struct metrics *metrics, char *error, size_t error_bytes);
void tls_files_destroy(struct tls_files **files);

/* Reads them again, changed or not. */
void tls_files_reload(struct tls_files *files);

const struct tls_server *tls_files_server(const struct tls_files *files); /* borrowed */

#endif
