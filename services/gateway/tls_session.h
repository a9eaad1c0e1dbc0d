/* One viewer's TLS: its bytes in, what they say out; what we say in, bytes to send out through
 * a callback. Keeps no bytes of its own beside OpenSSL's (nothing between records). Neither
 * libwebsockets' TLS nor a socket: so one reader judges plain and encrypted viewers alike, and
 * a certificate can change while they are there. Pure but for OpenSSL's randomness; one thread.
 */
#ifndef TLS_SESSION_H
#define TLS_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "tls_server.h"

struct tls_session;

/* Sends all of the bytes, or keeps them to send. 0, or -1: the connection is dead. */
typedef int tls_send_f(void *arg, const unsigned char *bytes, size_t length);

/* NULL: OpenSSL has no memory. */
struct tls_session *tls_session_new(const struct tls_server *server, tls_send_f *send,
                                    void *arg);
void tls_session_destroy(struct tls_session **session);

/* Bytes came, which stay until tls_session_read() has returned 0. */
void tls_session_feed(struct tls_session *session, const unsigned char *bytes, size_t length);

/* Handshakes and reads on. How many bytes of plain text came; 0: no more for now; -1: the
 * viewer closed, or it is no TLS that we speak. */
int tls_session_read(struct tls_session *session, unsigned char *plain, size_t room);

/* Whether the handshake is done; nothing can be written before. */
bool tls_session_ready(const struct tls_session *session);

/* 0, or -1: the connection is dead. */
int tls_session_write(struct tls_session *session, const unsigned char *plain, size_t length);

/* Says that nothing more comes from us. */
void tls_session_end(struct tls_session *session);

#endif
