/* A viewer's TLS: any bytes, or a true client's of which some are changed. Nothing is read
 * before the handshake is done, and an honest client gets through. Input: flags, then changes
 * of the client's bytes (two bytes of where, one of what), or the bytes themselves. */
#include <assert.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "tls_session.h"

#include "fuzz.h"

#define PLAIN_BYTES 4096
#define ROUNDS_MAX 8
#define DAY_S 86400

struct talk {
    SSL *client;
    BIO *to_client, *to_server;
    struct tls_session *session;
    size_t plain; /* bytes that the server read */
    bool over;    /* for the server */
};

static void
write_pair(const char *cert_path, const char *key_path)
{
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    X509_set_version(x509, 2);
    X509_gmtime_adj(X509_getm_notBefore(x509), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509), DAY_S);
    X509_set_pubkey(x509, pair);
    int signature = X509_sign(x509, pair, EVP_sha256());
    assert(signature);
    FILE *file = fopen(cert_path, "w");
    PEM_write_X509(file, x509);
    fclose(file);
    file = fopen(key_path, "w");
    PEM_write_PrivateKey(file, pair, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(x509);
    EVP_PKEY_free(pair);
}

static struct tls_server *
start_server(void)
{
    char cert[FUZZ_PATH_BYTES], key[FUZZ_PATH_BYTES], error[512];
    struct tls_server *server = tls_server_new();
    fuzz_path("cert", cert);
    fuzz_path("key", key);
    write_pair(cert, key);
    int result = tls_server_load(server, cert, key, error, sizeof error);
    assert(!result);
    return server;
}

static int
send_to_client(void *arg, const unsigned char *bytes, size_t length)
{
    struct talk *talk = arg;
    if (!talk->client)
        return 0;
    return BIO_write(talk->to_client, bytes, (int)length) == (int)length ? 0 : -1;
}

/* Hands the server a piece of bytes, and answers what it reads. */
static void
give(struct talk *talk, const unsigned char *bytes, size_t length)
{
    unsigned char plain[PLAIN_BYTES];
    int got;
    tls_session_feed(talk->session, bytes, length);
    while (!talk->over && (got = tls_session_read(talk->session, plain, sizeof plain))) {
        talk->over = got < 0;
        if (got < 0)
            break;
        assert(tls_session_ready(talk->session));
        talk->plain += (size_t)got;
        talk->over = tls_session_write(talk->session, plain, (size_t)got) != 0;
    }
}

static void
change(struct fuzz *fuzz, unsigned char *bytes, size_t length)
{
    for (int i = 0; i < 2 && fuzz->left >= 3; i++) {
        size_t at = (size_t)fuzz_integer(fuzz, 2) % length;
        bytes[at] ^= fuzz_byte(fuzz);
    }
}

/* A handshake and a greeting, of a client whose bytes are changed on the way. */
static void
talk_with_client(struct fuzz *fuzz, struct talk *talk, unsigned flags)
{
    static SSL_CTX *context;
    unsigned char bytes[32768], plain[64];
    bool changed = fuzz->left >= 3;
    if (!context)
        context = SSL_CTX_new(TLS_client_method());
    talk->client = SSL_new(context);
    talk->to_client = BIO_new(BIO_s_mem());
    talk->to_server = BIO_new(BIO_s_mem());
    SSL_set_bio(talk->client, talk->to_client, talk->to_server);
    SSL_set_max_proto_version(talk->client, flags & 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_set_connect_state(talk->client);
    for (int round = 0; round < ROUNDS_MAX && !talk->over; round++) {
        if (SSL_do_handshake(talk->client) == 1 && !talk->plain)
            SSL_write(talk->client, "hello", 5);
        int length = BIO_read(talk->to_server, bytes, sizeof bytes);
        if (length > 0) {
            change(fuzz, bytes, (size_t)length);
            give(talk, bytes, (size_t)length / 2);
            give(talk, bytes + length / 2, (size_t)length - (size_t)length / 2);
        }
        SSL_read(talk->client, plain, sizeof plain);
    }
    assert(changed || (talk->plain && !talk->over));
    SSL_free(talk->client);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tls_server *server;
    struct fuzz fuzz = {data, size};
    struct talk talk = {0};
    size_t length;
    if (!server)
        server = start_server();
    talk.session = tls_session_new(server, send_to_client, &talk);
    assert(talk.session);
    unsigned flags = fuzz_byte(&fuzz);
    if (flags & 1) {
        talk_with_client(&fuzz, &talk, flags);
    } else {
        while (fuzz.left && !talk.over) {
            char *bytes = fuzz_part(&fuzz, &length);
            give(&talk, (unsigned char *)bytes, length);
            free(bytes);
        }
        assert(!talk.plain);
    }
    talk.client = NULL;
    tls_session_end(talk.session);
    tls_session_destroy(&talk.session);
    return 0;
}
