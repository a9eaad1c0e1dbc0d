/* The publisher of a replay: an XPUB that its subscribers wait at, and that waits for them.
 * Unlike a service's, nothing depends on it but who came for the replay, so a subscriber that
 * is slow slows it and nothing is dropped. Never blocks but in destroying. Loop thread. */
#ifndef REPLAY_BUS_H
#define REPLAY_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus_guard.h"

#include "record_format.h"

struct replay_bus;

/* Binds the endpoints, guarded as set (borrowed until the end). NULL with the reason in error.
 */
struct replay_bus *replay_bus_new(uv_loop_t *loop, const struct bus_settings *settings,
                                  const char *endpoints, char *error, size_t error_bytes);

/* A libzmq reader whose queue is full loses what the system's buffers hold when its publisher
 * goes (4.3.4); little is in them here, and it gets this long to read before the end. */
#define REPLAY_BUS_GRACE_MS 1000

/* drain_ms: how long at most to wait until the subscribers have what was sent. */
void replay_bus_destroy(struct replay_bus **bus, int drain_ms);

/* Takes in who came and went. Whether so many are connected and have said what they want. Call
 * it a few times a second. */
bool replay_bus_has(struct replay_bus *bus, int64_t subscribers, int64_t mono_ms);

/* False: a subscriber has no room for it; try again. */
bool replay_bus_send(struct replay_bus *bus, const struct record_entry *entry);

#endif
