/* Viewers' addresses: what a limit per address counts as one, and which are proxies that are
 * believed when they name another. Pure; any thread. */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* IPv4 as ::ffff:a.b.c.d, so that a mapped address is the same as the plain one. */
struct address {
    uint8_t bytes[16];
};

/* False: of no internet family. */
bool address_of_socket(const struct sockaddr *peer, struct address *address);

/* Reads "192.0.2.1", "2001:db8::1", each with a port or not ("192.0.2.1:80", "[2001:db8::1]",
 * "[2001:db8::1]:80"). text need not be ended. False: it is none. */
bool address_read(const char *text, size_t length, struct address *address);

/* Where a socket listens, as the library of sockets wants it. */
union address_place {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* text: an address without a port. False: it is none. */
bool address_place(const char *text, int port, union address_place *place);

/* What counts as one: an IPv4 address, an IPv6 network of 64 bits. */
struct address address_group(const struct address *address);

/* Networks: "10.0.0.0/8,2001:db8::/32,192.0.2.1" or "none". */
struct networks;

/* NULL: the text is no such list. */
struct networks *networks_read(const char *text);
void networks_destroy(struct networks **networks);
bool networks_hold(const struct networks *networks, const struct address *address);

#endif
