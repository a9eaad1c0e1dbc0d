/* BLAKE2b of both, then libsodium's constant-time comparison. */
#include <sodium.h>
#include <string.h>

#include "secret.h"

bool
secret_equal(const char *secret, const char *guess, size_t guess_bytes)
{
    unsigned char a[crypto_generichash_BYTES], b[crypto_generichash_BYTES];
    if (!secret || !*secret)
        return false;
    crypto_generichash(a, sizeof a, (const unsigned char *)secret, strlen(secret), NULL, 0);
    crypto_generichash(b, sizeof b, (const unsigned char *)guess, guess_bytes, NULL, 0);
    return sodium_memcmp(a, b, sizeof a) == 0;
}
