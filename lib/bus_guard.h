/* Who may speak on the bus over TCP: CURVE with an allow-list when keys are set, and without
 * them nobody beyond this machine unless a setting says so. ipc:// is left to the permissions
 * of its folder. There is one guard in a process, since ZeroMQ asks one place whom to admit
 * (ZAP, rfc 27); the sockets of bus.h and discovery.h use it by themselves. Loop thread.
 *
 * Refused peers are counted and logged at a limited rate, by name of the key, never with keys.
 * SIGHUP, or bus_guard_reload(), reads the keys again.
 */
#ifndef BUS_GUARD_H
#define BUS_GUARD_H

#include <czmq.h>
#include <stdbool.h>
#include <uv.h>

#include "bus_settings.h"
#include "metrics.h"

struct bus_guard_options {
    uv_loop_t *loop;
    const struct bus_settings *settings; /* borrowed until bus_guard_close() */
    enum bus_role role;
    struct metrics *metrics; /* NULL: nothing is counted, listeners are not watched */
    size_t refused_row;      /* the first of BUS_REFUSED_ROWS() */
};

/* After bus_start(), before the first socket. 0, or -1 with the reason in error. */
int bus_guard_open(const struct bus_guard_options *options, char *error, size_t error_bytes);

/* Once the sockets are closed; may be repeated. Its handles close in the loop's next turns. */
void bus_guard_close(void);

/* Reads the keys again. Who is no longer listed is cut off, together with everybody else on the
 * same listener, who connect again at once. A new secret of our own holds for connections from
 * now on, but for listeners only after a restart. 0, or -1: the old keys stay, which is logged.
 */
int bus_guard_reload(void);

/* For bus.c: as set, or what is usual. */
struct bus_timeouts bus_guard_timeouts(void);

/* For bus.c and discovery.c: binds or connects one endpoint, guarded. The ipc:// endpoints of a
 * socket are bound before its others. peers: bits of roles; attempt: counts handshakes that
 * failed, to try one key after the other. 0 or -1 with errno. */
int bus_guard_bind(zsock_t *socket, const char *endpoint);
int bus_guard_connect(zsock_t *socket, const char *endpoint, unsigned peers, unsigned attempt);

/* Why a peer was refused, as a metric's rows. */
enum bus_refusal {
    BUS_REFUSED_KEY,       /* nobody's */
    BUS_REFUSED_ROLE,      /* of a role that has no business here */
    BUS_REFUSED_MECHANISM, /* no CURVE */
    BUS_REFUSED_HANDSHAKE, /* anything else: our public key was wrong, no ZMTP, too slow */
    BUS_REFUSALS
};
#define BUS_REFUSED_ROW(row_, reason_, help_)                                                  \
    [row_] = {"headcount_bus_peers_refused_total", "reason=\"" reason_ "\"", METRIC_COUNTER,   \
              help_}
#define BUS_REFUSED_ROWS(row_)                                                                 \
    BUS_REFUSED_ROW((row_) + BUS_REFUSED_KEY, "key",                                           \
                    "Connections of bus peers that were refused."),                            \
        BUS_REFUSED_ROW((row_) + BUS_REFUSED_ROLE, "role", NULL),                              \
        BUS_REFUSED_ROW((row_) + BUS_REFUSED_MECHANISM, "mechanism", NULL),                    \
        BUS_REFUSED_ROW((row_) + BUS_REFUSED_HANDSHAKE, "handshake", NULL)

#endif
