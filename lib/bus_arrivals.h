/* Connections to the bus that may be in their handshake yet. Each costs a descriptor, and who
 * takes them all keeps everybody out; so beyond a number of them the oldest is shut. ZeroMQ
 * does not say whose handshake is over: a connection counts until ZeroMQ would have ended it,
 * or it is gone. Loop thread.
 */
#ifndef BUS_ARRIVALS_H
#define BUS_ARRIVALS_H

#include <stddef.h>
#include <stdint.h>

struct bus_arrivals;

/* handshake_ms: after which ZeroMQ ends those that are not over. */
struct bus_arrivals *bus_arrivals_new(size_t most, int64_t handshake_ms);
void bus_arrivals_destroy(struct bus_arrivals **arrivals);

/* One was accepted. Returns how many are shut for it. mono_ms: any monotonic time. */
size_t bus_arrivals_note(struct bus_arrivals *arrivals, int descriptor, int64_t mono_ms);

#endif
