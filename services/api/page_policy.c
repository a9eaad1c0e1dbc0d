/* Addresses → a policy. What does not look like a host never reaches the header. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "page_policy.h"

#define HOST_BYTES_MAX 255

/* The length of the host that text starts with: a name, an IPv4 address, or [IPv6]. 0: none. */
static size_t
measure_host(const char *text)
{
    size_t length = 0;
    if (*text == '[') {
        length = 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
        return length > 1 && text[length] == ']' && length < HOST_BYTES_MAX ? length + 1 : 0;
    }
    while (isalnum((unsigned char)text[length]) ||
           (text[length] && strchr("-._", text[length])))
        length++;
    return length <= HOST_BYTES_MAX ? length : 0;
}

/* The length of ":port", 0 when there is none, -1 when it is malformed. */
static int
measure_port(const char *text)
{
    if (*text != ':')
        return 0;
    size_t digits = strspn(text + 1, "0123456789");
    return digits >= 1 && digits <= 5 ? (int)digits + 1 : -1;
}

bool
page_socket_origin(const char *url, char origin[PAGE_ORIGIN_BYTES])
{
    size_t scheme = !strncmp(url, "ws://", 5) ? 5 : !strncmp(url, "wss://", 6) ? 6 : 0;
    size_t host = scheme ? measure_host(url + scheme) : 0;
    int port = host ? measure_port(url + scheme + host) : -1;
    if (port < 0)
        return false;
    const char *rest = url + scheme + host + port;
    for (const char *c = rest; *c; c++) {
        if (*c <= ' ' || *c > '~')
            return false;
    }
    snprintf(origin, PAGE_ORIGIN_BYTES, "%.*s", (int)(rest - url), url);
    return !*rest || *rest == '/';
}

void
page_policy(const char *socket_url, const char *host, char policy[PAGE_POLICY_BYTES])
{
    char origins[2 * PAGE_ORIGIN_BYTES] = "", origin[PAGE_ORIGIN_BYTES];
    size_t length = host ? measure_host(host) : 0;
    int port = length ? measure_port(host + length) : -1;
    if (*socket_url && page_socket_origin(socket_url, origin))
        snprintf(origins, sizeof origins, " %s", origin);
    else if (port >= 0 && !host[length + (size_t)port])
        snprintf(origins, sizeof origins, " ws://%.*s:8081 wss://%.*s:8081", (int)length, host,
                 (int)length, host);
    snprintf(policy, PAGE_POLICY_BYTES,
             "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
             "connect-src 'self'%s; frame-ancestors 'none'; base-uri 'none'; "
             "form-action 'none'",
             origins);
}
