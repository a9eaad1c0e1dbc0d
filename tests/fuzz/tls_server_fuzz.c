/* The files of a certificate and its key. A pair that is refused says why, and leaves none in
 * use. Input: how long the first is, two files. */
#include <assert.h>
#include <stdlib.h>

#include "tls_server.h"

#include "fuzz.h"

static void
write_file(const char *name, const char *bytes, size_t length, char path[FUZZ_PATH_BYTES])
{
    fuzz_path(name, path);
    fuzz_write(path, bytes, length);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    char cert_path[FUZZ_PATH_BYTES], key_path[FUZZ_PATH_BYTES], error[512] = "";
    size_t cert_length, key_length, count = (size_t)fuzz_integer(&fuzz, 2);
    char *cert = fuzz_bytes(&fuzz, count, &cert_length), *key = fuzz_rest(&fuzz, &key_length);
    write_file("cert", cert, cert_length, cert_path);
    write_file("key", key, key_length, key_path);
    struct tls_server *server = tls_server_new();
    int result = tls_server_load(server, cert_path, key_path, error, sizeof error);
    assert(!result == !*error);
    tls_server_destroy(&server);
    free(cert);
    free(key);
    return 0;
}
