/* What the tap hears: a SUB socket that finds its publishers, subscribed to what the settings
 * ask for, each message decoded and handed over. While it is paused nothing is read: the mark
 * fills, and the publishers drop this reader's share and nobody else's. Never blocks. Loop
 * thread. */
#ifndef TAP_INTAKE_H
#define TAP_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "message.h"
#include "reader.h"

#include "tap_settings.h"

/* A message, as it came and as it was understood; all valid during the call. */
struct tap_arrival {
    const struct message *message;
    const void *topic, *body;
    size_t topic_bytes, body_bytes;
};

typedef void tap_take_f(void *arg, const struct tap_arrival *arrival);

struct tap_intake;

/* Connects to the endpoints (checked before, NULL ends them) and begins to read. Heartbeats
 * and byes come also when they are not to be shown, unless there is an auction to filter by:
 * they tell what was missed and lost. NULL after a line in the log. settings are borrowed for
 * the intake's life.
 */
struct tap_intake *tap_intake_new(uv_loop_t *loop, const struct tap_settings *settings,
                                  char **endpoints, tap_take_f *take, void *arg);
void tap_intake_destroy(struct tap_intake **intake);

/* Both may be repeated, and called within take. */
void tap_intake_pause(struct tap_intake *intake);
void tap_intake_resume(struct tap_intake *intake);

/* Asks one node for the state of a shard's auctions; when that was not enough, subscribes
 * again, which asks all. */
void tap_intake_renew(struct tap_intake *intake, enum node_role role,
                      const struct reader_renewal *renewal);

/* Messages that did not decode so far; they are logged, at a bounded rate. */
uint64_t tap_intake_undecodable(const struct tap_intake *intake);

/* Whether every message of a role's shards comes, so that one not coming is missed. */
bool tap_intake_is_whole(const struct tap_settings *settings, enum node_role role);

#endif
