/* The operator's port of a service: GET /healthz, /readyz and /metrics over HTTP, served in the
 * service's own libuv loop (no thread). Loopback unless set otherwise. */
#ifndef ADMIN_H
#define ADMIN_H

#include <stdbool.h>
#include <uv.h>

#include "metrics.h"

struct admin;

/* Whether the service can do its work; when not, *why (borrowed, static) says what is missing.
 */
typedef bool admin_ready_f(void *arg, const char **why);

/* Listens on address:port (port 0: any free one, logged). metrics is borrowed. NULL with errno
 * set when the port is refused. Loop thread only, like everything here. */
struct admin *admin_new(uv_loop_t *loop, const char *address, int port,
                        const struct metrics *metrics, admin_ready_f *ready, void *arg);

/* Stops listening; the handles close in the loop's next turns. */
void admin_destroy(struct admin **admin);

/* Rows and members every service shares. */
struct admin_settings {
    char *admin_address;
    int64_t admin_port;
};
#define SETTINGS_ADMIN(type_, member_, port_)                                                  \
    {"ADMIN_ADDRESS",                                                                          \
     SETTING_ADDRESS,                                                                          \
     offsetof(type_, member_.admin_address),                                                   \
     "127.0.0.1",                                                                              \
     0,                                                                                        \
     0,                                                                                        \
     "",                                                                                       \
     NULL,                                                                                     \
     "Address of the port for /healthz, /readyz and /metrics."},                               \
    {                                                                                          \
        "ADMIN_PORT", SETTING_NUMBER, offsetof(type_, member_.admin_port), port_, 0, 65535,    \
            "", NULL,                                                                          \
            "Port for /healthz, /readyz and /metrics; 0 takes a free one and logs it."         \
    }

#endif
