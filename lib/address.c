/* In: addresses as text or from sockets. Out: groups, and whether a network holds one. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "address.h"

#define TEXT_BYTES 64 /* the longest address, a zone and a port */
#define V4_BITS 32
#define V6_BITS 128
#define V4_OFFSET (V6_BITS - V4_BITS) /* of a mapped address's own bits */
#define GROUP_BYTES 8                 /* of an IPv6 address */

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct network {
    struct address address;
    unsigned bits;
};

struct networks {
    size_t count;
    struct network list[];
};

static struct address
map_v4(const void *bytes)
{
    struct address address;
    memcpy(address.bytes, mapped, sizeof mapped);
    memcpy(address.bytes + sizeof mapped, bytes, 4);
    return address;
}

static bool
is_v4(const struct address *address)
{
    return !memcmp(address->bytes, mapped, sizeof mapped);
}

bool
address_of_socket(const struct sockaddr *peer, struct address *address)
{
    if (peer->sa_family == AF_INET)
        *address = map_v4(&((const struct sockaddr_in *)(const void *)peer)->sin_addr);
    else if (peer->sa_family == AF_INET6)
        memcpy(address->bytes, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr,
               sizeof address->bytes);
    else
        return false;
    return true;
}

static bool
read_bare(const char *text, struct address *address)
{
    struct in_addr v4;
    if (inet_pton(AF_INET, text, &v4) != 1)
        return inet_pton(AF_INET6, text, address->bytes) == 1;
    *address = map_v4(&v4);
    return true;
}

bool
address_place(const char *text, int port, union address_place *place)
{
    in_port_t number = htons((uint16_t)port);
    *place = (union address_place){.v4 = {.sin_family = AF_INET, .sin_port = number}};
    if (inet_pton(AF_INET, text, &place->v4.sin_addr) == 1)
        return true;
    *place = (union address_place){.v6 = {.sin6_family = AF_INET6, .sin6_port = number}};
    return inet_pton(AF_INET6, text, &place->v6.sin6_addr) == 1;
}

static bool
is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= 5 && !text[digits];
}

bool
address_read(const char *text, size_t length, struct address *address)
{
    char copy[TEXT_BYTES];
    if (length >= sizeof copy || memchr(text, 0, length))
        return false;
    memcpy(copy, text, length);
    copy[length] = 0;
    char *bracket = *copy == '[' ? strchr(copy, ']') : NULL;
    if (bracket) {
        if (bracket[1] && (bracket[1] != ':' || !is_port(bracket + 2)))
            return false;
        *bracket = 0;
        return inet_pton(AF_INET6, copy + 1, address->bytes) == 1;
    }
    char *colon = strchr(copy, ':');
    if (colon && !strchr(colon + 1, ':')) { /* one: before a port */
        if (!is_port(colon + 1))
            return false;
        *colon = 0;
    }
    return read_bare(copy, address);
}

struct address
address_group(const struct address *address)
{
    struct address group = *address;
    if (!is_v4(address))
        memset(group.bytes + GROUP_BYTES, 0, sizeof group.bytes - GROUP_BYTES);
    return group;
}

/* "address" or "address/bits". */
static bool
read_network(const char *text, size_t length, struct network *network)
{
    const char *slash = memchr(text, '/', length);
    char copy[TEXT_BYTES];
    size_t width = slash ? (size_t)(slash - text) : length;
    if (width >= sizeof copy)
        return false;
    memcpy(copy, text, width);
    copy[width] = 0;
    if (!read_bare(copy, &network->address))
        return false;
    bool v4 = !strchr(copy, ':');
    unsigned own = v4 ? V4_BITS : V6_BITS, bits = own;
    if (slash) {
        size_t digits = length - width - 1;
        if (digits < 1 || digits > 3 || strspn(slash + 1, "0123456789") < digits)
            return false;
        bits = (unsigned)strtoul(slash + 1, NULL, 10);
    }
    network->bits = bits + (v4 ? V4_OFFSET : 0);
    return bits <= own;
}

struct networks *
networks_read(const char *text)
{
    struct networks *networks =
        mem_alloc(sizeof *networks + (strlen(text) / 2 + 1) * sizeof(struct network));
    if (!strcmp(text, "none"))
        return networks;
    for (;;) {
        text += strspn(text, ", ");
        size_t length = strcspn(text, ", ");
        if (!length && networks->count)
            return networks;
        if (!length || !read_network(text, length, &networks->list[networks->count])) {
            networks_destroy(&networks);
            return NULL;
        }
        networks->count++;
        text += length;
    }
}

void
networks_destroy(struct networks **networks)
{
    free(*networks);
    *networks = NULL;
}

static bool
holds(const struct network *network, const struct address *address)
{
    size_t whole = network->bits / 8;
    unsigned rest = network->bits % 8;
    if (memcmp(network->address.bytes, address->bytes, whole))
        return false;
    return !rest || !((network->address.bytes[whole] ^ address->bytes[whole]) >> (8 - rest));
}

bool
networks_hold(const struct networks *networks, const struct address *address)
{
    for (size_t i = 0; i < networks->count; i++) {
        if (holds(&networks->list[i], address))
            return true;
    }
    return false;
}
