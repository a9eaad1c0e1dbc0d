/* SipHash-2-4, with a key made at the first use. */
#include <pthread.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>

#include "table.h"

static unsigned char secret[crypto_shorthash_KEYBYTES];

static void
make_secret(void)
{
    randombytes_buf(secret, sizeof secret);
}

unsigned
table_hash(const void *key, size_t bytes)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    unsigned char hash[crypto_shorthash_BYTES];
    uint32_t low;
    pthread_once(&once, make_secret);
    crypto_shorthash(hash, key, bytes, secret);
    memcpy(&low, hash, sizeof low);
    return low;
}
