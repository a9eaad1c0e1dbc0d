/* In: ids as bytes. Out: whether they are valid, their shard. */
#include "auction.h"

#include <stdint.h>
#include <string.h>

#define FNV_BASIS 2166136261u
#define FNV_PRIME 16777619u
#define OBJECT_ID_DIGITS 24

static bool
is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool
is_hex_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

static bool
is_id(const char *text, size_t length, const char *marks)
{
    if (!length || length >= AUCTION_BYTES)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!text[i] || (!is_alphanumeric(text[i]) && !strchr(marks, text[i])))
            return false;
    return true;
}

bool
auction_valid(const char *text, size_t length)
{
    return is_id(text, length, "_-");
}

bool
node_valid(const char *text, size_t length)
{
    return is_id(text, length, "_-.");
}

static uint32_t
hash_id(const char *auction)
{
    uint32_t hash = FNV_BASIS;
    for (const char *c = auction; *c; c++)
        hash = (hash ^ (unsigned char)*c) * FNV_PRIME;
    return hash;
}

uint64_t
auction_check(const char *auction)
{
    return (UINT64_C(1) << 32) + hash_id(auction);
}

unsigned
auction_shard(const char *auction)
{
    uint32_t hash = hash_id(auction);
    return (hash ^ hash >> 8 ^ hash >> 16 ^ hash >> 24) & 0xff;
}

bool
auction_is_object_id(const char *auction)
{
    size_t digits = 0;
    while (is_hex_digit(auction[digits]))
        digits++;
    return digits == OBJECT_ID_DIGITS && !auction[digits];
}
