/* Our side of TLS (1.2 and 1.3): a certificate, its key, and how sessions are made. Loading
 * another pair changes what new sessions show; those there go on. Reads files, opens no socket;
 * one thread. */
#ifndef TLS_SERVER_H
#define TLS_SERVER_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

struct tls_server;

struct tls_server *tls_server_new(void);
void tls_server_destroy(struct tls_server **server); /* sessions may outlive it */

/* Reads a certificate with its chain and a key without a passphrase, both PEM. -1 with one line
 * in error that names the file; the pair loaded before stays in use. */
int tls_server_load(struct tls_server *server, const char *cert_path, const char *key_path,
                    char *error, size_t error_bytes);

/* When the certificate in use ends, seconds since 1970. */
int64_t tls_server_ends_s(const struct tls_server *server);

SSL *tls_server_session(const struct tls_server *server); /* the caller frees it */

#endif
