/* Endpoints as text: lists of them, what one names, and one spelling for each address. Pure: no
 * socket, no name is resolved. Any thread. */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include <stdbool.h>
#include <sys/socket.h>

#define ENDPOINT_BYTES 512
#define ENDPOINT_PORT_BYTES 6

/* Copies the next endpoint of a comma-separated *list, moving past it. False at the end, or
 * when it is neither tcp:// nor ipc:// (then endpoint is not empty). */
bool endpoint_next(const char **list, char endpoint[ENDPOINT_BYTES]);

enum endpoint_kind {
    ENDPOINT_BAD,
    ENDPOINT_FIXED, /* an ipc:// path, or tcp:// with an IP address */
    ENDPOINT_NAME   /* tcp:// with a name to resolve */
};

struct endpoint {
    char text[ENDPOINT_BYTES]; /* fixed: in the one spelling that endpoint_of_address() gives */
    char host[ENDPOINT_BYTES]; /* name */
    char port[ENDPOINT_PORT_BYTES]; /* name; 1 to 65535 */
};

/* What to connect to. */
enum endpoint_kind endpoint_read(const char *text, struct endpoint *endpoint);

/* "tcp://192.0.2.1:5000" or "tcp://[2001:db8::1]:5000", an IPv4 address within IPv6 as IPv4.
 * False when it is of another family. */
bool endpoint_of_address(const struct sockaddr *address, char text[ENDPOINT_BYTES]);

/* Whether nobody beyond this machine is meant: ipc://, or tcp:// with a loopback address or
 * "localhost". Any other name, * or interface may lead anywhere. */
bool endpoint_is_local(const char *text);

#endif
