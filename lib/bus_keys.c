/* In: a folder. Out: an own pair and a sorted list of public keys. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "bus_keys.h"
#include "mem.h"

#define PUBLIC ".pub"
#define FILE_BYTES 64 /* a key and a line's end */
#define PATH_BYTES 4200

struct bus_keys {
    char secret[BUS_KEY_BYTES];
    char own[BUS_KEY_BYTES]; /* public */
    struct bus_key *list;    /* sorted: "tap" before "tap-alice" */
    size_t count;
};

static const char *const names[BUS_ROLES] = {"gateway", "sampler", "store", "api", "tap"};

const char *
bus_role_name(enum bus_role role)
{
    return names[role];
}

enum bus_role
bus_role_of(const char *name)
{
    size_t length = strlen(name), role = 0;
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-._", *c))
            return BUS_ROLES;
    for (; length < BUS_KEY_NAME_BYTES && role < BUS_ROLES; role++) {
        size_t width = strlen(names[role]);
        if (!strncmp(name, names[role], width) &&
            (!name[width] || (name[width] == '-' && name[width + 1])))
            return (enum bus_role)role;
    }
    return BUS_ROLES;
}

bool
bus_role_admits(enum bus_role listener, enum bus_role client)
{
    static const unsigned admitted[BUS_ROLES] = {
        [BUS_GATEWAY] = BUS_ROLE_BIT(BUS_SAMPLER) | BUS_ROLE_BIT(BUS_TAP),
        [BUS_SAMPLER] =
            BUS_ROLE_BIT(BUS_GATEWAY) | BUS_ROLE_BIT(BUS_API) | BUS_ROLE_BIT(BUS_TAP),
        [BUS_STORE] = BUS_ROLE_BIT(BUS_SAMPLER) | BUS_ROLE_BIT(BUS_API),
        [BUS_TAP] = BUS_ROLE_BIT(BUS_GATEWAY) | BUS_ROLE_BIT(BUS_SAMPLER) |
                    BUS_ROLE_BIT(BUS_API) | BUS_ROLE_BIT(BUS_TAP),
    };
    return admitted[listener] & BUS_ROLE_BIT(client);
}

/* What is wrong with a file that holds a secret; NULL: nothing. */
static const char *
judge_secret(const struct stat *about)
{
    bool ours = about->st_uid == geteuid();
    if (!ours && about->st_uid)
        return "belongs to another user; allowed: a file of this program's user, or of root";
    if (about->st_mode & (ours ? 077 : 037))
        return "can be read by others; allowed: mode 0600 (chmod 600)";
    return NULL;
}

static const char *
read_text(const char *path, bool secret, char text[FILE_BYTES])
{
    struct stat about;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0 || fstat(file, &about)) {
        const char *reason = strerror(errno);
        if (file >= 0)
            close(file);
        return reason;
    }
    const char *problem =
        S_ISREG(about.st_mode) ? secret ? judge_secret(&about) : NULL : "is no regular file";
    ssize_t bytes = problem ? 0 : read(file, text, FILE_BYTES - 1);
    if (bytes < 0)
        problem = strerror(errno);
    close(file);
    text[bytes > 0 ? bytes : 0] = 0;
    return problem;
}

/* A key alone on the first line. NULL, or what is wrong. */
static const char *
read_key(const char *path, bool secret, char key[BUS_KEY_BYTES])
{
    char text[FILE_BYTES];
    unsigned char bytes[32];
    const char *problem = read_text(path, secret, text);
    size_t length = problem ? 0 : strcspn(text, "\r\n");
    bool is_key = length == BUS_KEY_BYTES - 1 && !text[length + strspn(text + length, "\r\n")];
    text[length] = 0;
    if (!problem && (!is_key || !zmq_z85_decode(bytes, text)))
        problem = "holds no key; allowed: 40 characters of Z85, as headcount-keys writes them";
    else if (!problem)
        memcpy(key, text, BUS_KEY_BYTES);
    explicit_bzero(bytes, sizeof bytes);
    explicit_bzero(text, sizeof text);
    return problem;
}

static int
fail(const char *path, const char *problem, char *error, size_t error_bytes)
{
    bool told = strstr(problem, "; allowed: ");
    snprintf(error, error_bytes, "BUS_KEYS: '%.200s': %s%s", path, problem,
             told ? "" : "; allowed: a folder with the role's .key and others' .pub");
    return -1;
}

static int
compare(const void *a, const void *b)
{
    return strcmp(((const struct bus_key *)a)->name, ((const struct bus_key *)b)->name);
}

/* Whether a name in the folder is a public key's; copies it without its ending. */
static bool
is_public(const char *file, char name[BUS_KEY_NAME_BYTES])
{
    size_t length = strlen(file), ending = strlen(PUBLIC);
    if (*file == '.' || length <= ending || strcmp(file + length - ending, PUBLIC))
        return false;
    snprintf(name, BUS_KEY_NAME_BYTES, "%.*s",
             (int)(length - ending < BUS_KEY_NAME_BYTES ? length - ending : 0), file);
    return true;
}

static int
add_public(struct bus_keys *keys, const char *folder, const char *file, char *error,
           size_t error_bytes)
{
    char path[PATH_BYTES], name[BUS_KEY_NAME_BYTES];
    if (!is_public(file, name))
        return 0;
    keys->list = mem_resize(keys->list, (keys->count + 1) * sizeof *keys->list);
    struct bus_key *key = &keys->list[keys->count];
    strcpy(key->name, name);
    snprintf(path, sizeof path, "%s/%s", folder, file);
    key->role = bus_role_of(key->name);
    const char *problem = read_key(path, false, key->key);
    if (key->role == BUS_ROLES)
        problem = "is named after no role; allowed: gateway, sampler, store, api or tap, and "
                  "ROLE-ANYTHING, with .pub";
    if (!problem && ++keys->count > BUS_KEYS_MAX)
        problem = "is one public key too many";
    return problem ? fail(path, problem, error, error_bytes) : 0;
}

static int
read_publics(struct bus_keys *keys, const char *folder, char *error, size_t error_bytes)
{
    DIR *files = opendir(folder);
    if (!files)
        return fail(folder, strerror(errno), error, error_bytes);
    struct dirent *file;
    int result = 0;
    while (!result && (file = readdir(files)))
        result = add_public(keys, folder, file->d_name, error, error_bytes);
    closedir(files);
    if (keys->count)
        qsort(keys->list, keys->count, sizeof *keys->list, compare);
    return result;
}

/* The own public key follows from the secret. */
static int
read_own(struct bus_keys *keys, const char *folder, enum bus_role role, char *error,
         size_t error_bytes)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s.key", folder, names[role]);
    const char *problem = read_key(path, true, keys->secret);
    if (!problem && zmq_curve_public(keys->own, keys->secret))
        problem = "holds no secret key";
    return problem ? fail(path, problem, error, error_bytes) : 0;
}

struct bus_keys *
bus_keys_read(const char *folder, enum bus_role role, char *error, size_t error_bytes)
{
    struct bus_keys *keys = mem_alloc(sizeof *keys);
    if ((role != BUS_ROLES && read_own(keys, folder, role, error, error_bytes)) ||
        read_publics(keys, folder, error, error_bytes))
        bus_keys_destroy(&keys);
    return keys;
}

void
bus_keys_destroy(struct bus_keys **keys)
{
    if (!*keys)
        return;
    explicit_bzero((*keys)->secret, sizeof(*keys)->secret);
    free((*keys)->list);
    free(*keys);
    *keys = NULL;
}

const char *
bus_keys_secret(const struct bus_keys *keys)
{
    return keys->secret;
}

const char *
bus_keys_public(const struct bus_keys *keys)
{
    return keys->own;
}

size_t
bus_keys_count(const struct bus_keys *keys)
{
    return keys->count;
}

const struct bus_key *
bus_keys_at(const struct bus_keys *keys, size_t index)
{
    return &keys->list[index];
}

/* One key may stand under several names. */
enum bus_verdict
bus_keys_judge(const struct bus_keys *keys, enum bus_role listener, const char *key,
               const char **whose)
{
    *whose = NULL;
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp(keys->list[i].key, key))
            continue;
        *whose = keys->list[i].name;
        if (bus_role_admits(listener, keys->list[i].role))
            return BUS_ADMITTED;
    }
    return *whose ? BUS_OTHER_ROLE : BUS_UNKNOWN_KEY;
}

static bool
is_first(const struct bus_key *key)
{
    return !strcmp(key->name, names[key->role]);
}

const struct bus_key *
bus_keys_server(const struct bus_keys *keys, unsigned roles, unsigned attempt)
{
    unsigned fitting = 0, number = 0;
    for (size_t i = 0; i < keys->count; i++)
        fitting += (roles & BUS_ROLE_BIT(keys->list[i].role)) != 0;
    if (!fitting)
        return NULL;
    attempt %= fitting;
    for (int first = 1; first >= 0; first--)
        for (size_t i = 0; i < keys->count; i++)
            if (roles & BUS_ROLE_BIT(keys->list[i].role) && is_first(&keys->list[i]) == first &&
                number++ == attempt)
                return &keys->list[i];
    return NULL;
}

bool
bus_keys_withdrawn(const struct bus_keys *old, const struct bus_keys *keys,
                   enum bus_role listener)
{
    const char *whose;
    for (size_t i = 0; i < old->count; i++)
        if (bus_role_admits(listener, old->list[i].role) &&
            bus_keys_judge(keys, listener, old->list[i].key, &whose) != BUS_ADMITTED)
            return true;
    return false;
}
