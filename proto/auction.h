/* Auction ids, node ids and shards. Pure; any thread. */
#ifndef AUCTION_H
#define AUCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUCTION_BYTES 65 /* 64 and the end */
#define NODE_BYTES 65
#define SHARD_COUNT 256

/* text need not be terminated. Valid: 1 to 64 of A-Z a-z 0-9 _ - (a node id: and '.'). */
bool auction_valid(const char *text, size_t length);
bool node_valid(const char *text, size_t length);

/* 0 to 255; see proto/README.md. */
unsigned auction_shard(const char *auction);

/* What a state of the auction adds to the check that ends an answer: 2^32 and the hash of the
 * id. The sum tells how many states there were and, all but surely, of which auctions. */
uint64_t auction_check(const char *auction);

/* Whether the id reads as a MongoDB ObjectId: 24 hex digits. */
bool auction_is_object_id(const char *auction);

#endif
