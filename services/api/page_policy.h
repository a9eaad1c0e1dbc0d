/* The Content-Security-Policy of a page: nothing but what this server itself serves, and the
 * gateway's socket. Pure; any thread. */
#ifndef PAGE_POLICY_H
#define PAGE_POLICY_H

#include <stdbool.h>

#define PAGE_ORIGIN_BYTES 280
#define PAGE_POLICY_BYTES 1024

/* The origin of ws://host[:port]/… or wss://…; false when the text is no such address. */
bool page_socket_origin(const char *url, char origin[PAGE_ORIGIN_BYTES]);

/* socket_url: the gateway's address, or "": then it is port 8081 of the page's own host, read
 * from the request's Host header (may be NULL; nothing but a host name gets through). */
void page_policy(const char *socket_url, const char *host, char policy[PAGE_POLICY_BYTES]);

#endif
