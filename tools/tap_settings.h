/* What the tap and its subcommands are told. Each has a table of its own over one struct, in
 * which only the members of its table hold. Read once, const from then on. */
#ifndef TAP_SETTINGS_H
#define TAP_SETTINGS_H

#include <stdbool.h>

#include "bus_guard.h"
#include "settings.h"

#include "message.h"

#include "tap_top.h"

struct tap_settings {
    struct common_settings common;
    struct bus_settings bus;
    char *auction; /* ids, comma-separated; NULL: all */
    char *kind;    /* names, comma-separated; NULL: all (with auctions: all that name one) */
    /* Live and replay. */
    bool json;
    int64_t node_timeout_ms;
    /* All but replay. */
    int64_t bus_hwm;
    int64_t discovery_interval_ms;
    /* Record. */
    int64_t seconds; /* 0: until a signal */
    bool force;
    /* Replay. */
    char *bind;  /* endpoints; NULL: print */
    char *speed; /* as text; see tap_speed() */
    int64_t wait;
    /* Top. */
    int64_t interval_ms;
    int64_t count; /* frames; 0: no end */
    int64_t rows;  /* auctions of a plain frame */
    bool plain;
    char *sort;
};

extern const struct settings_program tap_live_program, tap_record_program, tap_replay_program,
    tap_top_program;

/* Whether messages of the kind are to be shown. */
bool tap_shows(const struct tap_settings *settings, enum message_kind kind);

/* Whether this very message is to be shown, when more comes than was asked for. */
bool tap_shows_message(const struct tap_settings *settings, const struct message *message);

/* Takes the next name of a comma-separated list, moving past it: its length, or 0 at the end.
 */
size_t tap_next_name(const char **list, const char **name);

/* Whom to show first. */
enum tap_sort tap_sort(const struct tap_settings *settings);

/* How many times as fast as recorded; 0: as fast as possible. */
double tap_speed(const struct tap_settings *settings);

/* To connect to: gateways and samplers, and another tap's replay. */
#define TAP_PEERS                                                                              \
    (BUS_ROLE_BIT(BUS_GATEWAY) | BUS_ROLE_BIT(BUS_SAMPLER) | BUS_ROLE_BIT(BUS_TAP))

/* 0 when there is at least one endpoint, nothing but endpoints (else EXIT_USAGE), and the bus
 * settings allow them (else EXIT_CONFIGURATION), after one line on stderr that begins with
 * program. */
int tap_check_endpoints(const char *program, const struct bus_settings *bus, char **endpoints);

#endif
