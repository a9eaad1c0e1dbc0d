/* In: files. Out: an SSL_CTX for new sessions. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"

#include "tls_server.h"

#define CIPHERS_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20" /* forward secret and authenticated */

struct tls_server {
    SSL_CTX *context; /* NULL before the first pair */
    int64_t ends_s;
};

struct tls_server *
tls_server_new(void)
{
    return mem_alloc(sizeof(struct tls_server));
}

void
tls_server_destroy(struct tls_server **server)
{
    if (!*server)
        return;
    SSL_CTX_free((*server)->context);
    free(*server);
    *server = NULL;
}

/* Keeps OpenSSL from asking at the terminal. */
static int
refuse_passphrase(char *text, int bytes, int writing, void *arg)
{
    (void)text, (void)bytes, (void)writing;
    *(bool *)arg = true;
    return -1;
}

static int
choose_protocol(SSL *session, const unsigned char **chosen, unsigned char *chosen_length,
                const unsigned char *offered, unsigned offered_length, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    (void)session, (void)arg;
    /* Who offers none of ours goes on without, and is told by HTTP. */
    return SSL_select_next_proto((unsigned char **)chosen, chosen_length, ours, sizeof ours - 1,
                                 offered, offered_length) == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_NOACK;
}

static SSL_CTX *
make_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) ||
        !SSL_CTX_set_cipher_list(context, CIPHERS_1_2)) {
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    return context;
}

/* What keeps the file from being read; NULL: nothing. OpenSSL would wait for a pipe's writer.
 */
static const char *
judge_file(const char *path)
{
    struct stat about;
    char byte;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0)
        return strerror(errno);
    bool regular = !fstat(file, &about) && (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode));
    ssize_t bytes = regular ? read(file, &byte, 1) : 0;
    const char *problem = bytes < 0 ? strerror(errno) : bytes ? NULL : "it is empty";
    close(file);
    return regular ? problem : "it is no regular file";
}

/* Whether the file can be opened; a path is said in full, an error once. */
static int
check_file(const char *setting, const char *path, char *error, size_t error_bytes)
{
    const char *problem = judge_file(path);
    if (problem)
        snprintf(error, error_bytes, "%s: cannot read '%s': %s", setting, path, problem);
    return problem ? -1 : 0;
}

static int
use_files(SSL_CTX *context, const char *cert_path, const char *key_path, char *error,
          size_t error_bytes)
{
    bool encrypted = false;
    SSL_CTX_set_default_passwd_cb(context, refuse_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(context, &encrypted);
    const char *problem = NULL;
    if (SSL_CTX_use_certificate_chain_file(context, cert_path) != 1) {
        snprintf(error, error_bytes,
                 "TLS_CERT_FILE: '%s' is no certificate; allowed: PEM, the server's own first, "
                 "then its chain",
                 cert_path);
        return -1;
    }
    if (SSL_CTX_use_PrivateKey_file(context, key_path, SSL_FILETYPE_PEM) != 1)
        problem = encrypted ? "is encrypted" : "is no key";
    unsigned long code = ERR_peek_last_error();
    if (problem && ERR_GET_LIB(code) == ERR_LIB_X509 &&
        ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH)
        problem = "is not the key of the certificate in TLS_CERT_FILE";
    if (!problem && SSL_CTX_check_private_key(context) != 1)
        problem = "is not the key of the certificate in TLS_CERT_FILE";
    SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
    if (!problem)
        return 0;
    snprintf(error, error_bytes,
             "TLS_KEY_FILE: '%s' %s; allowed: its key in PEM, not encrypted", key_path,
             problem);
    return -1;
}

static int64_t
read_end(const SSL_CTX *context)
{
    struct tm tm = {0};
    ASN1_TIME_to_tm(X509_get0_notAfter(SSL_CTX_get0_certificate(context)), &tm);
    return timegm(&tm);
}

int
tls_server_load(struct tls_server *server, const char *cert_path, const char *key_path,
                char *error, size_t error_bytes)
{
    if (check_file("TLS_CERT_FILE", cert_path, error, error_bytes) ||
        check_file("TLS_KEY_FILE", key_path, error, error_bytes))
        return -1;
    ERR_clear_error();
    SSL_CTX *context = make_context();
    if (!context) {
        snprintf(error, error_bytes, "cannot start TLS: %s",
                 ERR_reason_error_string(ERR_get_error()));
        return -1;
    }
    int result = use_files(context, cert_path, key_path, error, error_bytes);
    ERR_clear_error();
    if (result) {
        SSL_CTX_free(context);
        return -1;
    }
    SSL_CTX_free(server->context);
    server->context = context;
    server->ends_s = read_end(context);
    return 0;
}

int64_t
tls_server_ends_s(const struct tls_server *server)
{
    return server->ends_s;
}

SSL *
tls_server_session(const struct tls_server *server)
{
    return SSL_new(server->context);
}
