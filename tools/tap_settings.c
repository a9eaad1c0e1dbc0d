/* The tables of the tap and its subcommands. In: flags. Out: which kinds and auctions to show,
 * and what else each was told. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "discovery.h"

#include "tap_frame.h"
#include "tap_settings.h"

#define SPEED_MAX 1000

static const char *const kind_names[] = {"event", "count", "snapshot", "heartbeat", "bye"};
#define KINDS "event, count, snapshot, heartbeat, bye"

size_t
tap_next_name(const char **list, const char **name)
{
    *name = *list + strspn(*list, ", ");
    size_t length = strcspn(*name, ", ");
    *list = *name + length;
    return length;
}

static bool
is_kind(const char *name, size_t length, enum message_kind kind)
{
    return length == strlen(kind_names[kind]) && !memcmp(name, kind_names[kind], length);
}

bool
tap_shows(const struct tap_settings *settings, enum message_kind kind)
{
    const char *list = settings->kind, *name;
    size_t length;
    if (!list)
        return !settings->auction || kind <= MESSAGE_SNAPSHOT;
    while ((length = tap_next_name(&list, &name)))
        if (is_kind(name, length, kind))
            return true;
    return false;
}

bool
tap_shows_message(const struct tap_settings *settings, const struct message *message)
{
    const char *list = settings->auction, *name;
    size_t length;
    if (!tap_shows(settings, message->kind))
        return false;
    if (!list || message->kind > MESSAGE_SNAPSHOT)
        return true;
    while ((length = tap_next_name(&list, &name)))
        if (length == strlen(message->auction) && !memcmp(name, message->auction, length))
            return true;
    return false;
}

enum tap_sort
tap_sort(const struct tap_settings *settings)
{
    enum tap_sort sort = TAP_SORT_VIEWERS;
    while (strcmp(settings->sort, tap_sort_text(sort)))
        sort++;
    return sort;
}

double
tap_speed(const struct tap_settings *settings)
{
    return strtod(settings->speed, NULL);
}

int
tap_check_endpoints(const char *program, const struct bus_settings *bus, char **endpoints)
{
    char error[BUS_ERROR_BYTES];
    static const char allowed[] = "tcp://HOST:PORT, ipc://PATH";
    if (!*endpoints) {
        fprintf(stderr, "%s: no ENDPOINT; allowed: one or more of %s\n", program, allowed);
        return EXIT_USAGE;
    }
    for (; *endpoints; endpoints++) {
        const struct bus_ends end = {"ENDPOINT", *endpoints, TAP_PEERS};
        bool valid = bus_endpoints_valid(*endpoints);
        if (valid && !bus_settings_check(bus, BUS_TAP, &end, 1, error, sizeof error))
            continue;
        if (valid)
            fprintf(stderr, "%s: %s\n", program, error);
        else
            fprintf(stderr, "%s: '%.100s' is no endpoint; allowed: %s\n", program, *endpoints,
                    allowed);
        return valid ? EXIT_CONFIGURATION : EXIT_USAGE;
    }
    return 0;
}

static int
check_kinds(const char *list, char *error, size_t error_bytes)
{
    const char *name;
    size_t length, count = 0;
    for (; (length = tap_next_name(&list, &name)); count++) {
        int kind = MESSAGE_EVENT;
        while (kind <= MESSAGE_BYE && !is_kind(name, length, (enum message_kind)kind))
            kind++;
        if (kind <= MESSAGE_BYE)
            continue;
        snprintf(error, error_bytes, "KIND: '%.*s' is no kind; allowed: " KINDS,
                 (int)(length < 64 ? length : 64), name);
        return -1;
    }
    if (!count)
        snprintf(error, error_bytes, "KIND: is empty; allowed: " KINDS);
    return count ? 0 : -1;
}

static int
check_auctions(const char *list, char *error, size_t error_bytes)
{
    const char *name;
    size_t length, count = 0;
    for (; (length = tap_next_name(&list, &name)); count++) {
        if (auction_valid(name, length))
            continue;
        snprintf(error, error_bytes,
                 "AUCTION: '%.*s' is no auction id; allowed: 1 to 64 of A-Z a-z 0-9 _ -",
                 (int)(length < 80 ? length : 80), name);
        return -1;
    }
    if (!count)
        snprintf(error, error_bytes, "AUCTION: is empty; allowed: an auction id");
    return count ? 0 : -1;
}

static int
check_filter(const void *checked, char *error, size_t error_bytes)
{
    const struct tap_settings *settings = checked;
    if (settings->kind && check_kinds(settings->kind, error, error_bytes))
        return -1;
    return settings->auction ? check_auctions(settings->auction, error, error_bytes) : 0;
}

static int
check_replay(const void *checked, char *error, size_t error_bytes)
{
    const struct tap_settings *settings = checked;
    char *end;
    double speed = strtod(settings->speed, &end);
    if (end == settings->speed || *end || !isfinite(speed) || speed < 0 || speed > SPEED_MAX) {
        snprintf(error, error_bytes,
                 "SPEED: '%.40s' is no speed; allowed: 0 (as fast as possible) to %d",
                 settings->speed, SPEED_MAX);
        return -1;
    }
    if (settings->bind && !bus_endpoints_valid(settings->bind)) {
        snprintf(error, error_bytes,
                 "BIND: '%.100s' is no endpoint; allowed: tcp://HOST:PORT, ipc://PATH",
                 settings->bind);
        return -1;
    }
    if (check_filter(checked, error, error_bytes))
        return -1;
    const struct bus_ends bind = {"BIND", settings->bind ? settings->bind : "", 0};
    return bus_settings_check(&settings->bus, BUS_TAP, &bind, settings->bind != NULL, error,
                              error_bytes);
}

/* Rows that several tables have. */
#define AT(member_) offsetof(struct tap_settings, member_)
#define AUCTION_ROW                                                                            \
    {                                                                                          \
        "AUCTION", SETTING_LIST, AT(auction), NULL, 0, 0, "", NULL,                            \
            "Only this auction's messages; several may be given. Gaps and lost nodes are not " \
            "told then."                                                                       \
    }
#define KIND_ROW                                                                               \
    {                                                                                          \
        "KIND", SETTING_LIST, AT(kind), NULL, 0, 0, "", NULL,                                  \
            "Only messages of this kind: " KINDS "; several may be given. Gaps and lost "      \
            "gateways are told with event, samplers with count."                               \
    }
#define JSON_ROW                                                                               \
    {                                                                                          \
        "JSON", SETTING_SWITCH, AT(json), "false", 0, 0, "", NULL,                             \
            "One JSON object a line, begin and end of answers among them."                     \
    }
#define BUS_HWM_ROW                                                                            \
    {                                                                                          \
        "BUS_HWM", SETTING_NUMBER, AT(bus_hwm), "100000", 100, 10000000, "messages", NULL,     \
            "Messages that may wait for this program before the bus drops its share."          \
    }
#define NODE_TIMEOUT_ROW                                                                       \
    {                                                                                          \
        "NODE_TIMEOUT_MS", SETTING_NUMBER, AT(node_timeout_ms), "3000", 100, 600000, "ms",     \
            NULL, "A gateway or sampler not heard for so long is lost."                        \
    }
#define LAST_ROWS                                                                              \
    SETTINGS_BUS(struct tap_settings, bus), SETTINGS_COMMON(struct tap_settings, common)
#define SIZE(table_) (sizeof(table_) / sizeof *(table_))

static const struct setting live_table[] = {
    AUCTION_ROW,      KIND_ROW,
    JSON_ROW,         BUS_HWM_ROW,
    NODE_TIMEOUT_ROW, SETTINGS_DISCOVERY(struct tap_settings, discovery_interval_ms),
    LAST_ROWS,
};

const struct settings_program tap_live_program = {
    .name = "headcount-tap",
    .purpose =
        "Shows what passes on the bus, current state first. Before all flags may stand a "
        "subcommand: record, replay, top; see --help of each.",
    .operands = "ENDPOINT…",
    .table = live_table,
    .count = SIZE(live_table),
    .check = check_filter,
};

static const struct setting record_table[] = {
    {"SECONDS", SETTING_NUMBER, AT(seconds), "0", 0, 31536000, "s", NULL,
     "How long to record; 0: until SIGINT or SIGTERM."},
    {"FORCE", SETTING_SWITCH, AT(force), "false", 0, 0, "", NULL,
     "Overwrite FILE where it exists."},
    AUCTION_ROW,
    KIND_ROW,
    BUS_HWM_ROW,
    NODE_TIMEOUT_ROW,
    SETTINGS_DISCOVERY(struct tap_settings, discovery_interval_ms),
    LAST_ROWS,
};

const struct settings_program tap_record_program = {
    .name = "headcount-tap record",
    .purpose = "Writes what passes on the bus to FILE (- is stdout), to be replayed later.",
    .operands = "FILE ENDPOINT…",
    .table = record_table,
    .count = SIZE(record_table),
    .check = check_filter,
};

static const struct setting replay_table[] = {
    {"BIND", SETTING_TEXT, AT(bind), NULL, 0, 0, "", NULL,
     "Publish on this endpoint, for taps, samplers and apis to connect to, instead of "
     "printing."},
    {"SPEED", SETTING_TEXT, AT(speed), "1", 0, 0, "", NULL,
     "With BIND: how many times as fast as recorded, such as 0.5 or 10; 0: as fast as the "
     "subscribers read."},
    {"WAIT", SETTING_NUMBER, AT(wait), "0", 0, 10000, "subscribers", NULL,
     "With BIND: begin once so many have connected and subscribed."},
    AUCTION_ROW,
    KIND_ROW,
    JSON_ROW,
    NODE_TIMEOUT_ROW,
    LAST_ROWS,
};

const struct settings_program tap_replay_program = {
    .name = "headcount-tap replay",
    .purpose =
        "Shows what was recorded in FILE (- is stdin) as the tap would have, or publishes "
        "it again.",
    .operands = "FILE",
    .table = replay_table,
    .count = SIZE(replay_table),
    .check = check_replay,
};

static const struct setting top_table[] = {
    {"SORT", SETTING_CHOICE, AT(sort), "viewers", 0, 0, "", "viewers|joins|name",
     "Which auctions stand first."},
    {"INTERVAL_MS", SETTING_NUMBER, AT(interval_ms), "1000", 100, 3600000, "ms", NULL,
     "Time between two frames, which rates are of."},
    {"COUNT", SETTING_NUMBER, AT(count), "0", 0, 1000000000, "frames", NULL,
     "End after so many; 0: do not."},
    {"PLAIN", SETTING_SWITCH, AT(plain), "false", 0, 0, "", NULL,
     "Print frames one after the other, as when stdout is no terminal."},
    {"ROWS", SETTING_NUMBER, AT(rows), "20", 0, TAP_TOP_ROWS_MAX, "auctions", NULL,
     "How many auctions a printed frame shows at most."},
    BUS_HWM_ROW,
    NODE_TIMEOUT_ROW,
    SETTINGS_DISCOVERY(struct tap_settings, discovery_interval_ms),
    LAST_ROWS,
};

const struct settings_program tap_top_program = {
    .name = "headcount-tap top",
    .purpose =
        "Shows the busiest auctions, the gateways and samplers alive and what was missed, "
        "live. Keys: q quit, s sort, p pause.",
    .operands = "ENDPOINT…",
    .table = top_table,
    .count = SIZE(top_table),
};
