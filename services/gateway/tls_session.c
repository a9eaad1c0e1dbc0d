/* In: bytes of a viewer, plain text of ours. Out: the other of each. OpenSSL reads and writes
 * through a BIO that holds nothing: what was fed is read from where it lies. */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "tls_session.h"

struct tls_session {
    SSL *ssl;
    tls_send_f *send;
    void *arg;
    const unsigned char *bytes; /* fed and not read yet */
    size_t length;
    bool broken; /* an error that nothing may follow, not even a farewell */
};

static int
read_fed(BIO *bio, char *to, int room)
{
    struct tls_session *session = BIO_get_data(bio);
    size_t here = session->length < (size_t)room ? session->length : (size_t)room;
    BIO_clear_retry_flags(bio);
    if (!here) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(to, session->bytes, here);
    session->bytes += here;
    session->length -= here;
    return (int)here;
}

static int
write_out(BIO *bio, const char *bytes, int length)
{
    struct tls_session *session = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    return session->send(session->arg, (const unsigned char *)bytes, (size_t)length) ? -1
                                                                                     : length;
}

static long
control(BIO *bio, int command, long number, void *arg)
{
    (void)bio, (void)number, (void)arg;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *
find_method(void)
{
    static BIO_METHOD *method; /* for good */
    if (method)
        return method;
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "viewer");
    BIO_meth_set_read(method, read_fed);
    BIO_meth_set_write(method, write_out);
    BIO_meth_set_ctrl(method, control);
    return method;
}

struct tls_session *
tls_session_new(const struct tls_server *server, tls_send_f *send, void *arg)
{
    struct tls_session *session = mem_alloc(sizeof *session);
    BIO *bio = BIO_new(find_method());
    session->ssl = tls_server_session(server);
    session->send = send;
    session->arg = arg;
    if (!bio || !session->ssl) {
        BIO_free(bio);
        tls_session_destroy(&session);
        return NULL;
    }
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    SSL_set_bio(session->ssl, bio, bio);
    SSL_set_accept_state(session->ssl);
    return session;
}

void
tls_session_destroy(struct tls_session **session)
{
    if (!*session)
        return;
    SSL_free((*session)->ssl);
    free(*session);
    *session = NULL;
}

void
tls_session_feed(struct tls_session *session, const unsigned char *bytes, size_t length)
{
    session->bytes = bytes;
    session->length = length;
}

/* 0: more bytes are needed; -1: it is over. */
static int
judge(struct tls_session *session, int result)
{
    int error = SSL_get_error(session->ssl, result);
    if (error == SSL_ERROR_WANT_READ)
        return 0;
    session->broken = error != SSL_ERROR_ZERO_RETURN;
    ERR_clear_error();
    return -1;
}

int
tls_session_read(struct tls_session *session, unsigned char *plain, size_t room)
{
    ERR_clear_error();
    int length = SSL_read(session->ssl, plain, (int)room);
    return length > 0 ? length : judge(session, length);
}

bool
tls_session_ready(const struct tls_session *session)
{
    return SSL_is_init_finished(session->ssl) && !session->broken;
}

int
tls_session_write(struct tls_session *session, const unsigned char *plain, size_t length)
{
    ERR_clear_error();
    int result = SSL_write(session->ssl, plain, (int)length);
    if (result == (int)length)
        return 0;
    session->broken = true;
    ERR_clear_error();
    return -1;
}

void
tls_session_end(struct tls_session *session)
{
    if (!tls_session_ready(session))
        return;
    SSL_shutdown(session->ssl);
    ERR_clear_error();
}
