/* Messages as people and scripts read them: one JSON object each, as in vectors/. Pure but for
 * memory; any thread. */
#ifndef MESSAGE_JSON_H
#define MESSAGE_JSON_H

#include <jansson.h>

#include "message.h"

/* The caller owns the object. */
json_t *message_json(const struct message *message);

/* Adds a snapshot's figures (not its auction) to an object. What is not finite becomes null;
 * the exact figures are there only when known. */
void snapshot_json(const struct snapshot *snapshot, json_t *object);

/* A change as the object names it: "state", "join", "leave" (of a count "change"), "begin",
 * "end". */
const char *change_text(enum message_kind kind, enum change_kind change);
const char *node_state_text(enum node_state state); /* "warming", "ready", "leaving" */
const char *node_role_text(enum node_role role);    /* "gateway", "sampler" */

#endif
