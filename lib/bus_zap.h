/* ZeroMQ's questions whom to admit (ZAP 1.0, rfc 27), answered for CURVE: anything else is
 * refused. There is one place for them in a process. Loop thread. */
#ifndef BUS_ZAP_H
#define BUS_ZAP_H

#include <stdbool.h>
#include <uv.h>

#include "bus_keys.h"

/* key: a peer's public key; address: where it comes from. Both are borrowed for the call. */
typedef bool bus_zap_admit_f(void *arg, const char key[BUS_KEY_BYTES], const char *address);

struct bus_zap;

/* NULL with errno: the place is taken, or this ZeroMQ has no CURVE; ZeroMQ then asks nobody,
 * and so refuses everybody. */
struct bus_zap *bus_zap_new(uv_loop_t *loop, bus_zap_admit_f *admit, void *arg);
void bus_zap_destroy(struct bus_zap **zap);

#endif
