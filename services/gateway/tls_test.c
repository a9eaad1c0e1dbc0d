/* TLS: pairs of files that are and are not usable, and a client of OpenSSL against our
 * sessions, without a socket between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tls_session.h"

#define PATH_BYTES 64
#define ERROR_BYTES 512
#define DAY_S 86400

static char folder[] = "/tmp/hc-tls-XXXXXX";

static const char *
path_of(const char *name)
{
    static char paths[4][PATH_BYTES];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, PATH_BYTES, "%s/%s", folder, name);
    return path;
}

static void
write_text(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");
    fputs(text, file);
    fclose(file);
}

/* Writes a key, encrypted when there is a passphrase, and a certificate that it signed. */
static void
write_pair(const char *cert, const char *key, int serial, const char *passphrase)
{
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), serial);
    X509_gmtime_adj(X509_getm_notBefore(x509), -DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(x509), (long)serial * DAY_S);
    X509_set_pubkey(x509, pair);
    X509_NAME *name = X509_get_subject_name(x509);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"shop.example",
                               -1, -1, 0);
    X509_set_issuer_name(x509, name);
    assert_true(X509_sign(x509, pair, EVP_sha256()));
    FILE *file = fopen(path_of(cert), "w");
    PEM_write_X509(file, x509);
    fclose(file);
    file = fopen(path_of(key), "w");
    PEM_write_PKCS8PrivateKey(file, pair, passphrase ? EVP_aes_128_cbc() : NULL, passphrase,
                              passphrase ? (int)strlen(passphrase) : 0, NULL, NULL);
    fclose(file);
    X509_free(x509);
    EVP_PKEY_free(pair);
}

static int
make_files(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    write_pair("1.crt", "1.key", 1, NULL);
    write_pair("2.crt", "2.key", 2, NULL);
    write_pair("3.crt", "3.key", 3, "secret");
    write_text("empty", "");
    write_text("junk", "-----BEGIN CERTIFICATE-----\nnonsense\n");
    return 0;
}

static int
remove_files(void **state)
{
    (void)state;
    static const char *const names[] = {"1.crt", "1.key", "2.crt", "2.key",
                                        "3.crt", "3.key", "empty", "junk"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(path_of(names[i]));
    return rmdir(folder);
}

/* A client, and the server's session that it talks with. */
struct talk {
    SSL_CTX *context;
    SSL *client;
    BIO *to_client, *to_server;
    struct tls_session *session;
    unsigned char plain[20000]; /* what the server read */
    size_t plain_length;
    bool over; /* for the server */
};

static int
send_to_client(void *arg, const unsigned char *bytes, size_t length)
{
    struct talk *talk = arg;
    return BIO_write(talk->to_client, bytes, (int)length) == (int)length ? 0 : -1;
}

static struct talk *
begin_talk(const struct tls_server *server, int version)
{
    struct talk *talk = calloc(1, sizeof *talk);
    talk->context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_cipher_list(talk->context, "ALL:@SECLEVEL=0");
    SSL_CTX_set_min_proto_version(talk->context, version);
    SSL_CTX_set_max_proto_version(talk->context, version);
    talk->client = SSL_new(talk->context);
    talk->to_client = BIO_new(BIO_s_mem());
    talk->to_server = BIO_new(BIO_s_mem());
    SSL_set_bio(talk->client, talk->to_client, talk->to_server);
    SSL_set_connect_state(talk->client);
    talk->session = tls_session_new(server, send_to_client, talk);
    assert_non_null(talk->session);
    return talk;
}

static void
end_talk(struct talk *talk)
{
    tls_session_destroy(&talk->session);
    SSL_free(talk->client);
    SSL_CTX_free(talk->context);
    free(talk);
}

/* Hands the client's bytes over, at most so many at a time. */
static void
serve(struct talk *talk, size_t step)
{
    unsigned char *bytes;
    size_t length = (size_t)BIO_get_mem_data(talk->to_server, &bytes);
    for (size_t at = 0; at < length && !talk->over; at += step) {
        size_t here = length - at < step ? length - at : step;
        unsigned char *copy = malloc(here);
        int got;
        memcpy(copy, bytes + at, here);
        tls_session_feed(talk->session, copy, here);
        while ((got = tls_session_read(talk->session, talk->plain + talk->plain_length, 5000)) >
               0)
            talk->plain_length += (size_t)got;
        talk->over = got < 0;
        free(copy);
    }
    BIO_reset(talk->to_server);
}

/* False: they came to no agreement. */
static bool
shake_hands(struct talk *talk, size_t step)
{
    for (int round = 0; round < 10 && !talk->over; round++) {
        int result = SSL_do_handshake(talk->client);
        int error = SSL_get_error(talk->client, result);
        serve(talk, step);
        if (result == 1)
            return tls_session_ready(talk->session);
        if (error != SSL_ERROR_WANT_READ)
            return false;
    }
    return false;
}

static struct tls_server *
load(const char *cert, const char *key)
{
    char error[ERROR_BYTES] = "";
    struct tls_server *server = tls_server_new();
    assert_int_equal(tls_server_load(server, path_of(cert), path_of(key), error, sizeof error),
                     0);
    return server;
}

static void
talks(void **state)
{
    (void)state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    static const size_t steps[] = {SIZE_MAX / 2, 4096, 1};
    struct tls_server *server = load("1.crt", "1.key");
    for (size_t i = 0; i < 6; i++) {
        struct talk *talk = begin_talk(server, versions[i % 2]);
        assert_true(shake_hands(talk, steps[i / 2]));
        static char big[18000]; /* more than a record */
        memset(big, 'x', sizeof big);
        assert_int_equal(SSL_write(talk->client, big, sizeof big), sizeof big);
        serve(talk, steps[i / 2]);
        assert_int_equal(talk->plain_length, sizeof big);
        assert_memory_equal(talk->plain, big, sizeof big);
        assert_int_equal(tls_session_write(talk->session, (const unsigned char *)"hello", 5),
                         0);
        assert_int_equal(SSL_read(talk->client, big, sizeof big), 5);
        assert_memory_equal(big, "hello", 5);
        tls_session_end(talk->session);
        assert_int_equal(SSL_read(talk->client, big, sizeof big), 0);
        assert_int_equal(SSL_get_error(talk->client, 0), SSL_ERROR_ZERO_RETURN);
        SSL_shutdown(talk->client);
        serve(talk, steps[i / 2]);
        assert_true(talk->over);
        end_talk(talk);
    }
    tls_server_destroy(&server);
}

static void
refuses_old_versions_and_noise(void **state)
{
    (void)state;
    struct tls_server *server = load("1.crt", "1.key");
    struct talk *talk = begin_talk(server, TLS1_1_VERSION);
    assert_false(shake_hands(talk, 4096));
    end_talk(talk);
    talk = begin_talk(server, TLS1_3_VERSION);
    BIO_puts(talk->to_server, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    serve(talk, 4096);
    assert_true(talk->over);
    tls_session_end(talk->session);
    end_talk(talk);
    tls_server_destroy(&server);
}

static int64_t
serial_shown(struct talk *talk)
{
    X509 *x509 = SSL_get1_peer_certificate(talk->client);
    int64_t serial = ASN1_INTEGER_get(X509_get0_serialNumber(x509));
    X509_free(x509);
    return serial;
}

static void
changes_the_pair_under_sessions(void **state)
{
    (void)state;
    char error[ERROR_BYTES] = "";
    struct tls_server *server = load("1.crt", "1.key");
    assert_in_range(tls_server_ends_s(server) - time(NULL), DAY_S - 60, DAY_S);
    struct talk *first = begin_talk(server, TLS1_3_VERSION);
    assert_true(shake_hands(first, 4096));
    struct talk *half = begin_talk(server, TLS1_3_VERSION);
    assert_int_equal(
        tls_server_load(server, path_of("2.crt"), path_of("2.key"), error, sizeof error), 0);
    assert_in_range(tls_server_ends_s(server) - time(NULL), 2 * DAY_S - 60, 2 * DAY_S);
    struct talk *second = begin_talk(server, TLS1_2_VERSION);
    assert_true(shake_hands(half, 4096));
    assert_true(shake_hands(second, 4096));
    assert_int_equal(serial_shown(first), 1);
    assert_int_equal(serial_shown(half), 1);
    assert_int_equal(serial_shown(second), 2);
    tls_server_destroy(&server);
    assert_int_equal(tls_session_write(first->session, (const unsigned char *)"x", 1), 0);
    end_talk(first);
    end_talk(half);
    end_talk(second);
}

static void
names_what_is_wrong_and_keeps_what_was(void **state)
{
    (void)state;
    static const struct {
        const char *cert, *key, *words;
    } cases[] = {
        {"none", "1.key", "TLS_CERT_FILE: cannot read '"},
        {"empty", "1.key", "it is empty"},
        {"junk", "1.key", "is no certificate"},
        {"1.key", "1.key", "is no certificate"},
        {"1.crt", "none", "TLS_KEY_FILE: cannot read '"},
        {"1.crt", "empty", "it is empty"},
        {"pipe", "1.key", "it is no regular file"},
        {"1.crt", "pipe", "it is no regular file"},
        {"1.crt", "junk", "is no key"},
        {"1.crt", "1.crt", "is no key"},
        {"1.crt", "2.key", "is not the key of the certificate"},
        {"3.crt", "3.key", "is encrypted"},
    };
    assert_int_equal(mkfifo(path_of("pipe"), 0600), 0);
    struct tls_server *server = load("1.crt", "1.key");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char error[ERROR_BYTES] = "";
        assert_int_equal(tls_server_load(server, path_of(cases[i].cert), path_of(cases[i].key),
                                         error, sizeof error),
                         -1);
        if (!strstr(error, cases[i].words) || strchr(error, '\n'))
            fail_msg("'%s' does not say '%s'", error, cases[i].words);
    }
    struct talk *talk = begin_talk(server, TLS1_3_VERSION);
    assert_true(shake_hands(talk, 4096));
    assert_int_equal(serial_shown(talk), 1);
    end_talk(talk);
    unlink(path_of("pipe"));
    tls_server_destroy(&server);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(talks),
        cmocka_unit_test(refuses_old_versions_and_noise),
        cmocka_unit_test(changes_the_pair_under_sessions),
        cmocka_unit_test(names_what_is_wrong_and_keeps_what_was),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
