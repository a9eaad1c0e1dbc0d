/* A viewer's first bytes as the gateway gathers them. However they are cut the verdict is the
 * same, but that nothing may follow a head in the same piece. Input: flags, then pieces behind
 * two bytes of length. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "request_head.h"
#include "viewer_handshake.h"

#include "fuzz.h"

#define PROXIES "10.0.0.0/8,2001:db8::/32"

struct outcome {
    bool over;
    enum viewer_verdict verdict;
    char auction[AUCTION_BYTES];
};

static struct handshake_rules rules = {.allowed_origins = "https://shop.example"};

/* libwebsockets is not reached: nothing is sent. */
static void
begin(struct connection *connection, unsigned flags)
{
    static struct networks *proxies;
    if (!proxies)
        proxies = networks_read(PROXIES);
    rules.proxies = proxies;
    rules.crowd = crowd_new(1, 1);
    rules.form = flags & 2 ? FORWARDED_RFC : FORWARDED_X;
    *connection = (struct connection){.proxied = flags & 1};
}

static void
take(struct connection *connection, char *bytes, size_t length, struct outcome *outcome)
{
    const char *key = NULL;
    outcome->over = viewer_handshake_read(&rules, connection, bytes, length, &outcome->verdict,
                                          outcome->auction, &key);
    assert(connection->head_bytes <= HEAD_BYTES_MAX + 1);
    if (!outcome->over || outcome->verdict != VIEWER_ADMIT)
        return;
    assert(auction_valid(outcome->auction, strlen(outcome->auction)) && strlen(key) == 24);
    assert(!connection->member || connection->proxied);
}

static void
end(struct connection *connection)
{
    crowd_leave(rules.crowd, &connection->member);
    assert(!crowd_addresses(rules.crowd));
    crowd_destroy(&rules.crowd);
    connection_fini(connection);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    static struct connection connection;
    struct outcome parts = {0}, whole = {0};
    size_t length, all = 0;
    unsigned flags = fuzz_byte(&fuzz);
    char *bytes = malloc(size + 1);
    begin(&connection, flags);
    while (fuzz.left && !parts.over) {
        char *piece = fuzz_bytes(&fuzz, (size_t)fuzz_integer(&fuzz, 2), &length);
        if (length) {
            memcpy(bytes + all, piece, length);
            take(&connection, piece, length, &parts);
        }
        all += length;
        free(piece);
    }
    end(&connection);
    begin(&connection, flags);
    if (all)
        take(&connection, bytes, all, &whole);
    end(&connection);
    free(bytes);
    assert(parts.over == whole.over);
    assert(!whole.over || parts.verdict == whole.verdict);
    return 0;
}
