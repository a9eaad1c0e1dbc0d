/* The table of the gateway's settings, and what spans several of them. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "bus.h"
#include "bus_subscribers.h"
#include "discovery.h"
#include "mem.h"

#include "auction.h"

#include "address.h"
#include "gateway_settings.h"
#include "origin.h"

#define HOST_BYTES 49 /* of a host's name in a node id, with the end */

#define TEXT(name_, member_, fallback_, min_, max_, help_)                                     \
    {                                                                                          \
        name_, SETTING_TEXT, offsetof(struct gateway_settings, member_), fallback_, min_,      \
            max_, "", NULL, help_                                                              \
    }
#define NUMBER(name_, member_, fallback_, min_, max_, unit_, help_)                            \
    {                                                                                          \
        name_, SETTING_NUMBER, offsetof(struct gateway_settings, member_), fallback_, min_,    \
            max_, unit_, NULL, help_                                                           \
    }

static const struct setting table[] = {
    SETTINGS_COMMON(struct gateway_settings, common),
    SETTINGS_ADMIN(struct gateway_settings, admin, "9081"),
    TEXT("LISTEN_ADDRESS", listen_address, "127.0.0.1", 1, 255,
         "Address of the port for viewers."),
    NUMBER("PORT", port, "8081", 0, 65535, "",
           "Port for viewers, shared with the other gateways of this host and user that have "
           "the same; 0 takes a free one and logs it."),
    TEXT("NODE_ID", node_id, NULL, 1, 64,
         "This gateway's name on the bus, unique among those running; not given: made from the "
         "host's name."),
    TEXT("EVENT_BIND", event_bind, "ipc://run/gateway.ipc", 1, 4096,
         "Endpoints where joins and leaves are published, comma-separated."),
    TEXT(
        "SAMPLER_ENDPOINTS", sampler_endpoints, "ipc://run/sampler.ipc", 0, 4096,
        "Endpoints of the samplers, comma-separated; empty: only this gateway's own counts are "
        "shown."),
    SETTINGS_BUS(struct gateway_settings, bus),
    SETTINGS_DISCOVERY(struct gateway_settings, discovery_interval_ms),
    NUMBER("BUS_HWM", bus_hwm, "100000", 1000, 10000000, "messages",
           "Messages held for a slow peer on the bus before further ones are dropped."),
    SETTINGS_SUBSCRIBERS(struct gateway_settings, subscription_bytes, "1048576"),
    NUMBER("BROADCAST_INTERVAL_MS", broadcast_interval_ms, "50", 0, 60000, "ms",
           "Least time between two counts told to an auction's viewers."),
    NUMBER("PING_INTERVAL_MS", ping_interval_ms, "25000", 50, 3600000, "ms",
           "How often a viewer is pinged."),
    NUMBER("PING_TIMEOUT_MS", ping_timeout_ms, "20000", 50, 3600000, "ms",
           "A viewer not heard of for so long after a ping has left."),
    NUMBER("HEARTBEAT_INTERVAL_MS", heartbeat_interval_ms, "1000", 10, 60000, "ms",
           "How often the gateway says on the bus that it lives."),
    NUMBER("NODE_TIMEOUT_MS", node_timeout_ms, "3000", 50, 600000, "ms",
           "A sampler not heard for so long is gone."),
    NUMBER("DRAIN_SECONDS", drain_seconds, "10", 0, 3600, "s",
           "Over how long viewers are asked to connect elsewhere at a stop."),
    NUMBER("STOP_TIMEOUT_MS", stop_timeout_ms, "10000", 100, 600000, "ms",
           "How long a stop may take after that."),
    NUMBER("MAX_CONNECTIONS", max_connections, "100000", 1, 10000000, "",
           "Viewers at once; further ones are refused."),
    NUMBER("CONNECTIONS_PER_ADDRESS", connections_per_address, "1000", 0, 10000000, "",
           "Connections at once from one IPv4 address or one IPv6 network of 64 bits; 0: no "
           "limit. Trusted proxies have none of their own."),
    TEXT("TRUSTED_PROXIES", trusted_proxies, "127.0.0.0/8,::1", 1, 65536,
         "Addresses and networks of proxies that are believed when they say whose connection "
         "they bring, comma-separated (10.0.0.0/8); none: nobody is."),
    {"FORWARDED_HEADER", SETTING_CHOICE, offsetof(struct gateway_settings, forwarded_header),
     "x-forwarded-for", 0, 0, "", "x-forwarded-for|forwarded",
     "The header in which trusted proxies say so; the other one is not looked at."},
    NUMBER(
        "HANDSHAKES_MAX", handshakes_max, "10000", 1, 10000000, "",
        "Connections at once that are no viewer's yet or no more; beyond, the oldest of them "
        "is closed for the new one."),
    NUMBER("HANDSHAKE_TIMEOUT_MS", handshake_timeout_ms, "10000", 100, 600000, "ms",
           "How long a connection may take to become a viewer's, TLS included."),
    NUMBER("MESSAGE_BYTES_MAX", message_bytes_max, "4096", 0, 1048576, "bytes",
           "Longest message of a viewer (nothing is done with them); beyond: close 1009."),
    NUMBER("MESSAGES_PER_SECOND", messages_per_second, "10", 1, 100000, "",
           "Frames a viewer may send, pings and parts of messages too; ten seconds' worth may "
           "come at once, beyond: close 1008."),
    NUMBER("AUCTIONS_MAX", auctions_max, "100000", 1, 10000000, "",
           "Auctions held at once, those left within the last minute too; viewers of further "
           "ones are refused."),
    TEXT("ALLOWED_ORIGINS", allowed_origins, "*", 1, 65536,
         "Origins whose pages may connect, comma-separated (https://shop.example); * allows "
         "all."),
    TEXT(
        "TLS_CERT_FILE", tls_cert_file, NULL, 1, 4096,
        "Certificate of the port for viewers, with its chain, PEM; makes it wss://. Read again "
        "when it changes and on SIGHUP."),
    TEXT("TLS_KEY_FILE", tls_key_file, NULL, 1, 4096, "Key of that certificate, PEM."),
    NUMBER("TLS_CHECK_INTERVAL_MS", tls_check_interval_ms, "5000", 50, 3600000, "ms",
           "How often it is looked whether these files have changed."),
};

static bool
are_networks(const char *text)
{
    struct networks *networks = networks_read(text);
    bool valid = networks;
    networks_destroy(&networks);
    return valid;
}

static int
check(const void *arg, char *error, size_t error_bytes)
{
    const struct gateway_settings *settings = arg;
    const char *name = NULL, *allowed = NULL;
    if (settings->node_id && !node_valid(settings->node_id, strlen(settings->node_id))) {
        name = "NODE_ID";
        allowed = "1 to 64 of A-Z a-z 0-9 _ - .";
    } else if (!bus_endpoints_valid(settings->event_bind)) {
        name = "EVENT_BIND";
        allowed = "tcp://HOST:PORT, ipc://PATH, comma-separated";
    } else if (*settings->sampler_endpoints &&
               !bus_endpoints_valid(settings->sampler_endpoints)) {
        name = "SAMPLER_ENDPOINTS";
        allowed = "tcp://HOST:PORT, ipc://PATH, comma-separated, or empty";
    } else if (!origins_valid(settings->allowed_origins)) {
        name = "ALLOWED_ORIGINS";
        allowed = "* or https://HOST[:PORT], comma-separated";
    } else if (!are_networks(settings->trusted_proxies)) {
        name = "TRUSTED_PROXIES";
        allowed = "none, or ADDRESS[/BITS], comma-separated";
    } else if (!settings->tls_cert_file != !settings->tls_key_file) {
        name = settings->tls_cert_file ? "TLS_KEY_FILE" : "TLS_CERT_FILE";
        allowed = "a file, together with the other of the pair";
    } else if (settings->node_timeout_ms <= settings->heartbeat_interval_ms) {
        name = "NODE_TIMEOUT_MS";
        allowed = "more than HEARTBEAT_INTERVAL_MS";
    }
    const struct bus_ends ends[] = {
        {"EVENT_BIND", settings->event_bind, 0},
        {"SAMPLER_ENDPOINTS", settings->sampler_endpoints, BUS_ROLE_BIT(BUS_SAMPLER)}};
    if (!name)
        return bus_settings_check(&settings->bus, BUS_GATEWAY, ends, 2, error, error_bytes);
    snprintf(error, error_bytes, "%s: not valid; allowed: %s", name, allowed);
    return -1;
}

const struct settings_program gateway_program = {
    .name = "headcount-gateway",
    .purpose = "holds viewers' WebSockets, counts them, and tells them the live count.",
    .table = table,
    .count = sizeof table / sizeof *table,
    .check = check,
};

void
gateway_settings_name(struct gateway_settings *settings)
{
    if (settings->node_id)
        return;
    char host[HOST_BYTES] = "";
    uint32_t ending = (uint32_t)getpid();
    gethostname(host, sizeof host - 1);
    for (char *c = host; *c; c++) {
        if (!isalnum((unsigned char)*c) && *c != '.')
            *c = '-';
    }
    if (getrandom(&ending, sizeof ending, 0) < 0)
        ending = (uint32_t)getpid();
    settings->node_id = mem_format("%s-%08x", *host ? host : "gateway", ending);
}
