/* A folder of keys. What is read is keys of known roles, in order, and judged the same as it is
 * listed. Input: the role, the own secret's file and its 0, then pairs of texts: a name, what
 * is in its file. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus_keys.h"

#include "fuzz.h"

#define FILES_MAX 6
#define NAME_BYTES_MAX 120
#define ALL_ROLES ((1u << BUS_ROLES) - 1)

static void
check(const struct bus_keys *keys, enum bus_role listener)
{
    const char *whose;
    for (size_t i = 0; i < bus_keys_count(keys); i++) {
        const struct bus_key *key = bus_keys_at(keys, i);
        assert(strlen(key->key) == BUS_KEY_BYTES - 1 && key->role < BUS_ROLES);
        assert(bus_role_of(key->name) == key->role);
        assert(!i || strcmp(bus_keys_at(keys, i - 1)->name, key->name) < 0);
        enum bus_verdict verdict = bus_keys_judge(keys, listener, key->key, &whose);
        assert(verdict != BUS_UNKNOWN_KEY && whose);
        assert(verdict == BUS_ADMITTED || !bus_role_admits(listener, key->role));
        assert(bus_keys_server(keys, ALL_ROLES, (unsigned)i));
    }
    assert(!bus_keys_withdrawn(keys, keys, listener));
}

/* A file's name that stays in the folder. */
static bool
is_fit(const char *name)
{
    return *name && !strchr(name, '/') && strlen(name) < NAME_BYTES_MAX && strcmp(name, ".") &&
           strcmp(name, "..");
}

static void
write_file(const char *folder, const char *name, const char *text, char path[FUZZ_PATH_BYTES])
{
    snprintf(path, FUZZ_PATH_BYTES, "%s/%s", folder, name);
    fuzz_write(path, text, strlen(text));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    char folder[FUZZ_PATH_BYTES], paths[FILES_MAX][FUZZ_PATH_BYTES], own[NAME_BYTES_MAX];
    char error[512] = "";
    size_t count = 1;
    enum bus_role role = (enum bus_role)(fuzz_byte(&fuzz) % (BUS_ROLES + 1));
    enum bus_role listener = role == BUS_ROLES ? BUS_GATEWAY : role;
    char *text = fuzz_text(&fuzz);
    fuzz_path("keys", folder);
    mkdir(folder, 0700);
    snprintf(own, sizeof own, "%s.key", bus_role_name(listener));
    write_file(folder, own, text, paths[0]);
    free(text);
    while (fuzz.left && count < FILES_MAX) {
        char *name = fuzz_text(&fuzz);
        text = fuzz_text(&fuzz);
        if (is_fit(name))
            write_file(folder, name, text, paths[count++]);
        free(name);
        free(text);
    }
    struct bus_keys *keys = bus_keys_read(folder, role, error, sizeof error);
    assert(!keys == (*error != 0));
    if (keys)
        check(keys, listener);
    bus_keys_destroy(&keys);
    while (count)
        unlink(paths[--count]);
    return 0;
}
