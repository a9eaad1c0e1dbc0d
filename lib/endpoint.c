/* Reading and writing endpoints. ZeroMQ's monitor spells an IPv4 address as IPv6 once it has
 * connected there, hence the one spelling. */
#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "endpoint.h"

#define TCP "tcp://"
#define IPC "ipc://"
#define NAME_BYTES_MAX 253

/* What follows the scheme; NULL when it is another one. */
static const char *
after(const char *text, const char *scheme)
{
    size_t length = strlen(scheme);
    return strncmp(text, scheme, length) ? NULL : text + length;
}

/* The number of a port, or -1. */
static int
read_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    int port = digits && digits < ENDPOINT_PORT_BYTES && !text[digits] ? atoi(text) : -1;
    return port <= 65535 ? port : -1;
}

/* Whether a port stands there, or * for a free one. ZeroMQ itself would take 65537 for 1. */
static bool
has_port(const char *tcp)
{
    const char *colon = strrchr(tcp, ':');
    return colon && (!strcmp(colon, ":*") || read_port(colon + 1) >= 0);
}

bool
endpoint_next(const char **list, char endpoint[ENDPOINT_BYTES])
{
    const char *start = *list + strspn(*list, ", ");
    size_t length = strcspn(start, ", ");
    endpoint[0] = 0;
    if (!length)
        return false;
    snprintf(endpoint, ENDPOINT_BYTES, "%.*s", (int)length, start);
    *list = start + length;
    const char *tcp = after(endpoint, TCP), *ipc = after(endpoint, IPC);
    return length < ENDPOINT_BYTES && ((tcp && has_port(tcp)) || (ipc && *ipc));
}

static bool
is_name(const char *host)
{
    size_t length = strlen(host);
    for (const char *c = host; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-._", *c))
            return false;
    return length && length <= NAME_BYTES_MAX && isalnum((unsigned char)*host);
}

/* Takes the brackets off an IPv6 address. */
static void
strip_brackets(char *host)
{
    size_t length = strlen(host);
    if (length < 2 || host[0] != '[' || host[length - 1] != ']')
        return;
    memmove(host, host + 1, length - 2);
    host[length - 2] = 0;
}

static enum endpoint_kind
read_tcp(const char *text, struct endpoint *endpoint)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    const char *colon = strrchr(text, ':');
    int port = colon ? read_port(colon + 1) : -1;
    if (port <= 0)
        return ENDPOINT_BAD;
    snprintf(endpoint->host, sizeof endpoint->host, "%.*s", (int)(colon - text), text);
    snprintf(endpoint->port, sizeof endpoint->port, "%u", (unsigned)(uint16_t)port);
    strip_brackets(endpoint->host);
    if (!uv_ip4_addr(endpoint->host, port, (struct sockaddr_in *)&address) ||
        !uv_ip6_addr(endpoint->host, port, (struct sockaddr_in6 *)&address))
        return endpoint_of_address((struct sockaddr *)&address, endpoint->text) ? ENDPOINT_FIXED
                                                                                : ENDPOINT_BAD;
    return *text != '[' && is_name(endpoint->host) ? ENDPOINT_NAME : ENDPOINT_BAD;
}

enum endpoint_kind
endpoint_read(const char *text, struct endpoint *endpoint)
{
    if (strlen(text) >= ENDPOINT_BYTES)
        return ENDPOINT_BAD;
    const char *tcp = after(text, TCP), *ipc = after(text, IPC);
    if (tcp)
        return read_tcp(tcp, endpoint);
    strcpy(endpoint->text, text);
    return ipc && *ipc ? ENDPOINT_FIXED : ENDPOINT_BAD;
}

bool
endpoint_of_address(const struct sockaddr *address, char text[ENDPOINT_BYTES])
{
    char host[INET6_ADDRSTRLEN + UV_IF_NAMESIZE + 1], port[ENDPOINT_PORT_BYTES];
    struct sockaddr_in inside = {.sin_family = AF_INET};
    const struct sockaddr_in6 *ip6 = (const struct sockaddr_in6 *)address;
    socklen_t bytes = sizeof inside;
    if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&ip6->sin6_addr)) {
        memcpy(&inside.sin_addr, &ip6->sin6_addr.s6_addr[12], sizeof inside.sin_addr);
        inside.sin_port = ip6->sin6_port;
        address = (const struct sockaddr *)&inside;
    } else if (address->sa_family == AF_INET6) {
        bytes = sizeof *ip6;
    } else if (address->sa_family != AF_INET) {
        return false;
    }
    if (getnameinfo(address, bytes, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV))
        return false;
    snprintf(text, ENDPOINT_BYTES, address->sa_family == AF_INET ? TCP "%s:%s" : TCP "[%s]:%s",
             host, port);
    return true;
}

bool
endpoint_is_local(const char *text)
{
    char host[ENDPOINT_BYTES];
    struct in_addr ip4;
    struct in6_addr ip6;
    const char *tcp = after(text, TCP), *colon = strrchr(text, ':');
    if (!tcp || colon < tcp || colon - tcp >= ENDPOINT_BYTES)
        return after(text, IPC);
    snprintf(host, sizeof host, "%.*s", (int)(colon - tcp), tcp);
    strip_brackets(host);
    if (strchr(host, ':'))
        host[strcspn(host, "%")] = 0; /* an interface's name */
    if (inet_pton(AF_INET6, host, &ip6) == 1 && IN6_IS_ADDR_V4MAPPED(&ip6))
        return ip6.s6_addr[12] == 127;
    if (inet_pton(AF_INET6, host, &ip6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&ip6);
    if (inet_pton(AF_INET, host, &ip4) == 1)
        return ntohl(ip4.s_addr) >> 24 == 127;
    return !strcmp(host, "localhost");
}
