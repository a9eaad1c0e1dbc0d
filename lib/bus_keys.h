/* The CURVE keys of the bus: one folder with this program's secret and the public keys of whom
 * it may talk to. Reads files, opens no socket, writes no log. Any thread.
 *
 *     sampler.key        own secret, Z85, for nobody but its owner (see bus_keys_read())
 *     gateway.pub        public key of a role, shared by its replicas
 *     tap-alice.pub      a further key of a role, ROLE-ANYTHING.pub
 */
#ifndef BUS_KEYS_H
#define BUS_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#define BUS_KEY_BYTES 41      /* Z85 with its end */
#define BUS_KEY_NAME_BYTES 65 /* of a .pub file without its ending */
#define BUS_KEYS_MAX 4096     /* public keys in a folder */

enum bus_role { BUS_GATEWAY, BUS_SAMPLER, BUS_STORE, BUS_API, BUS_TAP, BUS_ROLES };

/* A set of roles. */
#define BUS_ROLE_BIT(role_) (1u << (role_))

struct bus_key {
    char name[BUS_KEY_NAME_BYTES]; /* "tap-alice" */
    enum bus_role role;
    char key[BUS_KEY_BYTES]; /* public, Z85 */
};

struct bus_keys;

/* "gateway"; for messages and file names. */
const char *bus_role_name(enum bus_role role);

/* The role of "tap" or "tap-alice"; BUS_ROLES when it is none, or no fit name for a file. */
enum bus_role bus_role_of(const char *name);

/* Whether the listener of one role lets clients of another in. */
bool bus_role_admits(enum bus_role listener, enum bus_role client);

/* Reads the folder for a program of that role (BUS_ROLES: public keys only). The secret must be
 * a regular file (links are followed, as Kubernetes mounts secrets) that belongs to us or to
 * root, and that others cannot read; its group may when it is root's and we are not. NULL with
 * one line in error that names the file and never what is in it. */
struct bus_keys *bus_keys_read(const char *folder, enum bus_role role, char *error,
                               size_t error_bytes);

/* Wipes the secret. */
void bus_keys_destroy(struct bus_keys **keys);

/* Own pair, Z85. */
const char *bus_keys_secret(const struct bus_keys *keys);
const char *bus_keys_public(const struct bus_keys *keys);

/* The public keys read, by name. */
size_t bus_keys_count(const struct bus_keys *keys);
const struct bus_key *bus_keys_at(const struct bus_keys *keys, size_t index);

/* Whether a listener of the role takes a client with this public key, and the name that decided
 * in *whose (NULL: unknown), which lives as long as keys. */
enum bus_verdict { BUS_ADMITTED, BUS_OTHER_ROLE, BUS_UNKNOWN_KEY };
enum bus_verdict bus_keys_judge(const struct bus_keys *keys, enum bus_role listener,
                                const char *key, const char **whose);

/* The key to connect to a peer of one of roles with at the attempt of that number: those named
 * by the role alone first, and round again. NULL: there is none. */
const struct bus_key *bus_keys_server(const struct bus_keys *keys, unsigned roles,
                                      unsigned attempt);

/* Whether a listener of the role took a client by old that it does not take by keys. */
bool bus_keys_withdrawn(const struct bus_keys *old, const struct bus_keys *keys,
                        enum bus_role listener);

#endif
