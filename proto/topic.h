/* Topics as the codecs take them apart; for proto/ alone (what others need is in message.h). */
#ifndef TOPIC_H
#define TOPIC_H

#include "message.h"

extern const char *const topic_kind_names[]; /* by enum message_kind: "event" … */

/* Reads a whole topic: sets kind, and shard, auction, role and node as far as the topic names
 * them ("" otherwise). False when it is none of ours or malformed. */
bool topic_read(const void *topic, size_t bytes, struct message *message);

/* Writes the topic of a message. Returns its length. */
size_t topic_write(const struct message *message, char topic[TOPIC_BYTES]);

#endif
