/* Settings of every program on the bus, and whether they fit what it binds and connects. */
#ifndef BUS_SETTINGS_H
#define BUS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus_keys.h"
#include "settings.h"

#define BUS_ERROR_BYTES 512

struct bus_settings {
    char *keys; /* folder; NULL: none */
    bool insecure;
    int64_t link_timeout_ms; /* of TCP; these are 0 where nobody set them: what is usual */
    int64_t connect_timeout_ms;
    int64_t handshake_timeout_ms;
};

/* Endpoints of one setting. */
struct bus_ends {
    const char *setting;   /* its name */
    const char *endpoints; /* comma-separated */
    unsigned peers;        /* to connect to: bits of roles; 0: to bind */
};

/* Part of a settings check: whether the keys can be read and suffice for all ends, or none
 * leaves the machine uninvited. 0, or -1 after one line in error. */
int bus_settings_check(const struct bus_settings *settings, enum bus_role role,
                       const struct bus_ends *ends, size_t count, char *error,
                       size_t error_bytes);

/* What sockets of the bus wait for; milliseconds. */
struct bus_timeouts {
    int link_ms, connect_ms, handshake_ms;
};

/* As set, or what is usual where nobody set them. settings: NULL: nobody did. */
struct bus_timeouts bus_settings_timeouts(const struct bus_settings *settings);

#define BUS_SETTING(type_, member_, name_, kind_, usual_, most_, unit_, help_)                 \
    {                                                                                          \
        name_, kind_, offsetof(type_, member_), usual_, 1, most_, unit_, NULL, help_           \
    }
#define SETTINGS_BUS(type_, member_)                                                           \
    BUS_SETTING(type_, member_.keys, "BUS_KEYS", SETTING_TEXT, NULL, 4000, "",                 \
                "Folder with the keys of the bus, as headcount-keys makes them: with it "      \
                "every TCP connection of the bus is encrypted, and only listed peers are let " \
                "in. Read again on SIGHUP."),                                                  \
        BUS_SETTING(type_, member_.insecure, "BUS_INSECURE", SETTING_SWITCH, "false", 1, "",   \
                    "Whether the bus may leave this machine without BUS_KEYS: anybody who "    \
                    "can reach it then reads and writes."),                                    \
        BUS_SETTING(type_, member_.link_timeout_ms, "BUS_LINK_TIMEOUT_MS", SETTING_NUMBER,     \
                    "3000", 600000, "ms",                                                      \
                    "A TCP connection of the bus on which nothing is acknowledged for so "     \
                    "long is cut, and made anew."),                                            \
        BUS_SETTING(type_, member_.connect_timeout_ms, "BUS_CONNECT_TIMEOUT_MS",               \
                    SETTING_NUMBER, "1000", 600000, "ms",                                      \
                    "How long an attempt to connect may take: more than a round trip."),       \
        BUS_SETTING(type_, member_.handshake_timeout_ms, "BUS_HANDSHAKE_TIMEOUT_MS",           \
                    SETTING_NUMBER, "5000", 600000, "ms",                                      \
                    "How long the bus's handshake may take on a new connection.")

#endif
