/* A viewer's connection as bytes: a socket in libwebsockets' raw role, with TLS of ours or
 * without. libwebsockets polls, reads and keeps what the kernel does not take; all that is said
 * on it is written and read by our own cores. Within the loop; one thread.
 *
 *               request whole             close sent by us          the viewer's came
 *     ASKING ──────────────────▶ VIEWING ──────────────────▶ CLOSING ─────────────────▶ (gone)
 *        │  refused                 │ fault                                              ▲
 *        └──────────────────────────┴─────▶ LINGERING ── the peer closed, or too long ───┘
 *
 * LINGERING: our last word is out and our half closed; what still comes is thrown away, since
 * the kernel would otherwise reset the connection and with it the word. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <libwebsockets.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "audience.h"
#include "bucket.h"
#include "crowd.h"
#include "frame_reader.h"
#include "ping_wheel.h"
#include "tls_session.h"

enum connection_state {
    CONNECTION_NONE, /* not ours yet, or no more */
    CONNECTION_ASKING,
    CONNECTION_VIEWING,
    CONNECTION_CLOSING,
    CONNECTION_LINGERING
};

/* libwebsockets' user memory, zeroed to begin with. */
struct connection {
    struct viewer viewer;
    struct ping ping;
    TAILQ_ENTRY(connection) in_list; /* of those in its state */
    struct lws *wsi;
    struct tls_session *tls;     /* NULL: plain */
    struct crowd_member *member; /* whom it counts for; NULL: nobody */
    char *head;                  /* of a request that came in parts */
    uint32_t head_bytes;         /* of these; LINGERING: thrown away */
    enum connection_state state;
    bool counted;        /* among the sockets */
    bool proxied;        /* by a trusted proxy */
    bool paused;         /* not read, until what we sent is out */
    int64_t deadline_ms; /* of every state but VIEWING */
    struct bucket frames;
    struct frame_reader reader;
};

TAILQ_HEAD(connection_list, connection);

/* Makes it a TLS one, before its first byte. */
int connection_encrypt(struct connection *connection, const struct tls_server *server);

/* Sends the bytes, or keeps what the kernel does not take and reads nothing until it has: a
 * viewer that does not read is not served (and libwebsockets would spin on what it sends). 0,
 * or -1: it is dead. */
int connection_send(struct connection *connection, const void *bytes, size_t length);

/* Whether something sent earlier is not out yet. */
bool connection_clogged(const struct connection *connection);

/* The kernel takes bytes again. */
void connection_resume(struct connection *connection);

/* Sends a frame with a short payload; -1 as above. */
int connection_frame(struct connection *connection, enum frame_opcode opcode,
                     const unsigned char *payload, size_t length);

/* Sends a close frame; code CLOSE_NONE: one without. -1 as above. */
int connection_say_close(struct connection *connection, unsigned code, const char *text);

/* Nothing more will be sent. */
void connection_end_sending(struct connection *connection);

/* Ends it at once, from outside its own callbacks. */
void connection_kill(struct connection *connection);

/* Frees what it holds beside itself, but for its member of the crowd. */
void connection_fini(struct connection *connection);

#endif
