/* uthash with our memory and a hash that nobody outside can foresee. Auctions' ids are
 * anybody's choice: with uthash's own function a million of them could be made that share a
 * bucket, and every look-up would walk them all. */
#ifndef TABLE_H
#define TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "mem.h"

/* A keyed hash; the key is random, of this process. Any thread. */
uint64_t table_hash_long(const void *key, size_t bytes);
unsigned table_hash(const void *key, size_t bytes); /* the half of it */

#define uthash_malloc(bytes_) mem_alloc(bytes_)
#define HASH_FUNCTION(key_, bytes_, hash_) ((hash_) = table_hash((key_), (bytes_)))
#include <uthash.h>

#endif
