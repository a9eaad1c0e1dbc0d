/* The body of a posted snapshot → a snapshot, with exact errors. Pure but for memory; any
 * thread. */
#ifndef SNAPSHOT_BODY_H
#define SNAPSHOT_BODY_H

#include <stddef.h>
#include <stdint.h>

#include "api_error.h"
#include "json_body.h"
#include "snapshot.h"

/* Reads {timestamp, viewerCount, avgViewers, peakViewers, minViewers, sampleCount}; other
 * members are ignored. API_ERROR_COUNT when right, else the error, with the field, what is
 * wrong and what is allowed in reason. auction: valid. */
enum api_error snapshot_body_decode(const char *auction, const char *body, size_t bytes,
                                    int64_t now_ms, struct snapshot *snapshot,
                                    char reason[BODY_REASON_BYTES]);

#endif
