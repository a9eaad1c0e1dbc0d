/* SipHash-2-4, with a key made at the first use. */
#include <assert.h>
#include <pthread.h>
#include <sodium.h>

#include "table.h"

static unsigned char secret[crypto_shorthash_KEYBYTES];

static void
make_secret(void)
{
    randombytes_buf(secret, sizeof secret);
}

uint64_t
table_hash_long(const void *key, size_t bytes)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    uint64_t hash;
    pthread_once(&once, make_secret);
    static_assert(sizeof hash == crypto_shorthash_BYTES, "one integer");
    crypto_shorthash((unsigned char *)&hash, key, bytes, secret);
    return hash;
}

unsigned
table_hash(const void *key, size_t bytes)
{
    return (unsigned)table_hash_long(key, bytes);
}
