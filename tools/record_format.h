/* A record of the bus as bytes: a MessagePack stream of one header and any number of entries
 * (docs/tap.md). Encodes, and decodes from hostile bytes, one piece at a time. Pure; any
 * thread. */
#ifndef RECORD_FORMAT_H
#define RECORD_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define RECORD_NAME "headcount-record"
#define RECORD_VERSION 1
#define RECORD_TOPIC_BYTES_MAX 159
#define RECORD_BODY_BYTES_MAX (64 * 1024)
#define RECORD_HEAD_BYTES 64 /* room for a header, or for an entry without topic and body */
#define RECORD_PIECE_BYTES_MAX                                                                 \
    (RECORD_HEAD_BYTES + RECORD_TOPIC_BYTES_MAX + RECORD_BODY_BYTES_MAX)

/* One message. */
struct record_entry {
    int64_t elapsed_us; /* since the record's start, at least 0 */
    const void *topic, *body;
    size_t topic_bytes, body_bytes;
};

/* Writes the header; returns its length. */
size_t record_encode_header(int64_t start_ms, unsigned char bytes[RECORD_HEAD_BYTES]);

/* Writes what stands before the topic (returns its length), and what stands between topic and
 * body. The entry must be within the limits (asserted). */
size_t record_encode_entry(const struct record_entry *entry,
                           unsigned char bytes[RECORD_HEAD_BYTES]);
size_t record_encode_body_head(const struct record_entry *entry,
                               unsigned char bytes[RECORD_HEAD_BYTES]);

enum record_result {
    RECORD_OK,
    RECORD_SHORT, /* fine so far, but it goes on beyond the bytes at hand */
    RECORD_BAD
};

/* Of a decoded piece. */
struct record_piece {
    size_t bytes;        /* RECORD_OK: its length */
    size_t problem_at;   /* RECORD_BAD: where it is wrong, from its beginning */
    const char *problem; /* RECORD_BAD: what is wrong, and what is allowed */
};

/* Each reads one piece at the beginning of the bytes. start_ms is at least 1. */
enum record_result record_decode_header(const void *bytes, size_t count, int64_t *start_ms,
                                        struct record_piece *piece);

/* The entry's topic and body lie within the bytes. */
enum record_result record_decode_entry(const void *bytes, size_t count,
                                       struct record_entry *entry, struct record_piece *piece);

#endif
