/* headcount-keys: makes the key pairs of the bus, and lists public keys. In: a folder and names
 * of roles; out: files, and lines on stdout. A secret is written to its file and nowhere else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "bus_keys.h"
#include "log.h"
#include "settings.h"

#define PATH_BYTES 4200
#define ERROR_BYTES 512
#define EACH_ROLE                                                                              \
    {                                                                                          \
        "gateway", "sampler", "store", "api", "tap", NULL                                      \
    }

struct keys_settings {
    struct common_settings common;
};

static const struct setting table[] = {SETTINGS_COMMON(struct keys_settings, common)};

static const struct settings_program program = {
    .name = "headcount-keys",
    .purpose = "makes (new) and lists (show) the keys of the bus for BUS_KEYS. A name is a "
               "role (gateway, sampler, store, api, tap) or ROLE-ANYTHING; without names "
               "each role gets a pair.",
    .operands = "new FOLDER [NAME…] | show FOLDER",
    .table = table,
    .count = sizeof table / sizeof *table,
};

static int
fail(const char *what, const char *path)
{
    log_error("keys.failed", what, LOG_STR("path", path), LOG_STR("reason", strerror(errno)));
    return EXIT_SYSTEM;
}

static void
make_path(char path[PATH_BYTES], const char *folder, const char *name, const char *ending)
{
    snprintf(path, PATH_BYTES, "%s/%s%s", folder, name, ending);
}

/* Whole and on disk, or an error; never in the place of another. */
static int
write_key(const char *path, const char *key, mode_t mode)
{
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (file < 0)
        return fail("a key cannot be written", path);
    char line[BUS_KEY_BYTES + 1];
    int bytes = snprintf(line, sizeof line, "%s\n", key);
    bool written = write(file, line, (size_t)bytes) == bytes && !fsync(file);
    explicit_bzero(line, sizeof line);
    int status = written ? 0 : fail("a key cannot be written", path);
    if (close(file) && !status)
        status = fail("a key cannot be written", path);
    if (status)
        unlink(path);
    return status;
}

static int
sync_folder(const char *folder)
{
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = descriptor >= 0 && !fsync(descriptor) ? 0 : fail("not on disk yet", folder);
    if (descriptor >= 0)
        close(descriptor);
    return status;
}

static int
make_pair(const char *folder, const char *name)
{
    char public[BUS_KEY_BYTES], secret[BUS_KEY_BYTES];
    char public_path[PATH_BYTES], secret_path[PATH_BYTES];
    make_path(secret_path, folder, name, ".key");
    make_path(public_path, folder, name, ".pub");
    if (zmq_curve_keypair(public, secret))
        return fail("no key can be made", secret_path);
    int status = write_key(secret_path, secret, 0600);
    explicit_bzero(secret, sizeof secret);
    if (!status)
        status = write_key(public_path, public, 0644);
    if (!status)
        printf("%s  secret, for %s alone\n%s  public\n", secret_path, name, public_path);
    return status;
}

/* Nothing is made when a name is wrong or has a key already. */
static int
check_names(const char *folder, char *const *names)
{
    char path[PATH_BYTES];
    for (; *names; names++) {
        if (bus_role_of(*names) == BUS_ROLES) {
            fprintf(
                stderr,
                "headcount-keys: '%.80s' is no name; allowed: gateway, sampler, store, api, "
                "tap, or one of these with -ANYTHING of A-Z a-z 0-9 - . _\n",
                *names);
            return EXIT_USAGE;
        }
        for (int i = 0; i < 2; i++) {
            make_path(path, folder, *names, i ? ".pub" : ".key");
            errno = EEXIST;
            if (!faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW))
                return fail("a key is there already, and none is made", path);
        }
    }
    return 0;
}

static int
make_keys(const char *folder, char *const *names)
{
    static char *each[] = EACH_ROLE;
    if (!*names)
        names = each;
    int status = check_names(folder, names);
    if (!status && mkdir(folder, 0700) && errno != EEXIST)
        status = fail("the folder cannot be made", folder);
    for (; !status && *names; names++)
        status = make_pair(folder, *names);
    return status ? status : sync_folder(folder);
}

static int
show_keys(const char *folder, char *const *names)
{
    char error[ERROR_BYTES], path[PATH_BYTES];
    if (*names) {
        fprintf(stderr, "headcount-keys: show takes one FOLDER\n");
        return EXIT_USAGE;
    }
    struct bus_keys *keys = bus_keys_read(folder, BUS_ROLES, error, sizeof error);
    if (!keys) {
        log_error("keys.failed", error, LOG_NONE);
        return EXIT_SYSTEM;
    }
    for (size_t i = 0; i < bus_keys_count(keys); i++) {
        const struct bus_key *key = bus_keys_at(keys, i);
        make_path(path, folder, key->name, ".key");
        printf("%-8s %-20s %s%s\n", bus_role_name(key->role), key->name, key->key,
               access(path, F_OK) ? "" : "  (secret here)");
    }
    bus_keys_destroy(&keys);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(const char *folder, char *const *names);
} commands[] = {{"new", make_keys}, {"show", show_keys}};

static int
run(char **operands)
{
    for (size_t i = 0; *operands && operands[1] && i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(*operands, commands[i].name))
            return commands[i].run(operands[1], operands + 2);
    fprintf(stderr, "headcount-keys: what to do is missing; allowed: %s\n", program.operands);
    return EXIT_USAGE;
}

int
main(int argc, char **argv)
{
    struct keys_settings settings = {0};
    int first;
    int status = settings_read(&program, argc, argv, &settings, &first);
    if (status != SETTINGS_RUN)
        return status;
    settings_start(&settings.common, "keys");
    status = run(argv + first);
    if (fflush(stdout) && !status)
        status = fail("stdout", "stdout");
    settings_free(&program, &settings);
    return status;
}
