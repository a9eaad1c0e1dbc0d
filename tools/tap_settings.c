/* The tap's table of settings. In: flags. Out: which kinds and auctions to show. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "tap_settings.h"

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
check(const void *checked, char *error, size_t error_bytes)
{
    const struct tap_settings *settings = checked;
    if (settings->kind && check_kinds(settings->kind, error, error_bytes))
        return -1;
    return settings->auction ? check_auctions(settings->auction, error, error_bytes) : 0;
}

#define AT(member_) offsetof(struct tap_settings, member_)
static const struct setting table[] = {
    {"AUCTION", SETTING_LIST, AT(auction), NULL, 0, 0, "", NULL,
     "Only this auction's messages; several may be given. Gaps cannot be seen then."},
    {"KIND", SETTING_LIST, AT(kind), NULL, 0, 0, "", NULL,
     "Only messages of this kind: " KINDS "; several may be given."},
    {"JSON", SETTING_SWITCH, AT(json), "false", 0, 0, "", NULL,
     "One JSON object a line, begin and end of answers among them."},
    {"BUS_HWM", SETTING_NUMBER, AT(bus_hwm), "100000", 100, 10000000, "messages", NULL,
     "Messages that may wait for this program before the bus drops its share."},
    SETTINGS_COMMON(struct tap_settings, common),
};

const struct settings_program tap_program = {
    .name = "headcount-tap",
    .purpose = "Shows what passes on the bus, current state first.",
    .operands = "ENDPOINT…",
    .table = table,
    .count = sizeof table / sizeof *table,
    .check = check,
};
