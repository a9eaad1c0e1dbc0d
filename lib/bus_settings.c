/* In: settings and the files of BUS_KEYS. Out: one line that says what is wrong; timeouts. */
#include <stdio.h>
#include <string.h>

#include "bus_settings.h"
#include "endpoint.h"

#define BUS_LINK_TIMEOUT_MS 3000
#define BUS_CONNECT_TIMEOUT_MS 1000
#define BUS_HANDSHAKE_TIMEOUT_MS 5000

/* The first endpoint of a list that leaves the machine. */
static bool
find_remote(const char *list, char endpoint[ENDPOINT_BYTES])
{
    while (endpoint_next(&list, endpoint))
        if (!endpoint_is_local(endpoint))
            return true;
    return false;
}

static bool
has_tcp(const char *list)
{
    char endpoint[ENDPOINT_BYTES];
    while (endpoint_next(&list, endpoint))
        if (!strncmp(endpoint, "tcp://", 6))
            return true;
    return false;
}

/* Names the roles, "gateway or sampler". */
static void
name_roles(unsigned roles, char *text, size_t text_bytes)
{
    *text = 0;
    for (int role = 0; role < BUS_ROLES; role++) {
        size_t used = strlen(text);
        if (roles & BUS_ROLE_BIT(role))
            snprintf(text + used, text_bytes - used, "%s%s.pub", used ? " or " : "",
                     bus_role_name((enum bus_role)role));
    }
}

static int
check_keys(const struct bus_settings *settings, enum bus_role role, const struct bus_ends *ends,
           size_t count, char *error, size_t error_bytes)
{
    struct bus_keys *keys = bus_keys_read(settings->keys, role, error, error_bytes);
    int result = keys ? 0 : -1;
    for (size_t i = 0; !result && i < count; i++) {
        char files[128];
        if (!ends[i].peers || !has_tcp(ends[i].endpoints) ||
            bus_keys_server(keys, ends[i].peers, 0))
            continue;
        name_roles(ends[i].peers, files, sizeof files);
        snprintf(error, error_bytes,
                 "BUS_KEYS: '%.200s' has no key for %s; allowed: a folder with %s",
                 settings->keys, ends[i].setting, files);
        result = -1;
    }
    bus_keys_destroy(&keys);
    return result;
}

int
bus_settings_check(const struct bus_settings *settings, enum bus_role role,
                   const struct bus_ends *ends, size_t count, char *error, size_t error_bytes)
{
    char endpoint[ENDPOINT_BYTES];
    if (settings->keys)
        return check_keys(settings, role, ends, count, error, error_bytes);
    for (size_t i = 0; i < count && !settings->insecure; i++) {
        if (!find_remote(ends[i].endpoints, endpoint))
            continue;
        snprintf(error, error_bytes,
                 "%s: '%.100s' leaves this machine unprotected; allowed: with BUS_KEYS (see "
                 "headcount-keys), or with BUS_INSECURE=true where nobody else can reach it",
                 ends[i].setting, endpoint);
        return -1;
    }
    return 0;
}

static int
pick_ms(int64_t set_ms, int usual_ms)
{
    return set_ms ? (int)set_ms : usual_ms;
}

struct bus_timeouts
bus_settings_timeouts(const struct bus_settings *settings)
{
    static const struct bus_settings none;
    const struct bus_settings *set = settings ? settings : &none;
    return (struct bus_timeouts){
        .link_ms = pick_ms(set->link_timeout_ms, BUS_LINK_TIMEOUT_MS),
        .connect_ms = pick_ms(set->connect_timeout_ms, BUS_CONNECT_TIMEOUT_MS),
        .handshake_ms = pick_ms(set->handshake_timeout_ms, BUS_HANDSHAKE_TIMEOUT_MS)};
}
