/* The codec of each kind of published message; for message.c alone. A reader takes what follows
 * the node; a writer packs it. */
#ifndef CODEC_H
#define CODEC_H

#include "encoder.h"
#include "wire.h"

void event_read(struct wire *wire, struct message *message);
void event_write(msgpack_packer *packer, const struct message *message);
void count_read(struct wire *wire, struct message *message);
void count_write(msgpack_packer *packer, const struct message *message);
void snapshot_read(struct wire *wire, struct message *message);
void snapshot_write(msgpack_packer *packer, const struct message *message);
void heartbeat_read(struct wire *wire, struct message *message);
size_t heartbeat_more(const struct message *message); /* elements beyond those always there */
void heartbeat_write(msgpack_packer *packer, const struct message *message);
void bye_read(struct wire *wire, struct message *message);
void bye_write(msgpack_packer *packer, const struct message *message);

/* The elements of a snapshot from its timestamp on, as rows of a batch have them too. Numbers
 * may be negative or not finite: whoever reads them checks. */
#define FIGURE_COUNT 13
void figures_read(struct wire *wire, struct snapshot *snapshot);
void figures_write(msgpack_packer *packer, const struct snapshot *snapshot);

#endif
