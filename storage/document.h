/* Snapshots and auction ids as BSON, the way the owner's Mongoose models store them: ids of 24
 * hex digits are ObjectIds, whole numbers int32 (int64 beyond), fractions doubles, times dates.
 * Pure; any thread. */
#ifndef DOCUMENT_H
#define DOCUMENT_H

#include <bson/bson.h>

#include "storage.h"

void document_add_id(bson_t *document, const char *key, const char *auction);

/* False when the value is neither an ObjectId nor a valid id as a string. */
bool document_read_id(const bson_iter_t *value, char auction[AUCTION_BYTES]);

#define OBJECT_ID_BYTES 25 /* 24 hex digits and the end */

/* The first ObjectId, as text, that sorts bytewise after any text; false when none does. */
bool document_object_id_after(const char *after, char text[OBJECT_ID_BYTES]);

/* Appends the figures: all fields of a snapshot but auction, timestamp and the two dates. */
void document_add_figures(bson_t *document, const struct snapshot *snapshot);

/* Takes any numeric type and any order, passes over fields it does not know. False when a field
 * that every snapshot has is missing or no number. */
bool document_read_snapshot(const bson_t *document, struct snapshot *snapshot);

/* The filter {auction, timestamp}. */
void document_add_key(bson_t *document, const struct snapshot *snapshot);

/* Adds a condition to a filter: what is stored is less full than the snapshot, as
 * snapshot_fuller() says. */
void document_add_less_full(bson_t *filter, const struct snapshot *snapshot);

/* Adds every field that a snapshot may have and this one has not; returns how many. */
size_t document_add_unknown(bson_t *document, const struct snapshot *snapshot);

#endif
