/* headcount-simulation: runs schedules and tells the seed of the first one that fails.
 *
 *     headcount-simulation [--schedules N] [--seed SEED] [--one SEED] [--check SEED]
 *                          [--regressions FILE]
 *
 * --check runs a single schedule; --one prints all that happens in it, too. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "world.h"

#define PROGRESS 20000 /* schedules between two lines */

static struct world world;

/* The seed of a run's schedule. */
static uint64_t
mix(uint64_t seed, uint64_t schedule)
{
    struct chance chance = {seed + schedule * UINT64_C(0x2545f4914f6cdd1d)};
    return chance_below(&chance, UINT64_C(1) << 48);
}

static int
run_one(uint64_t seed, bool tell, const char *name)
{
    if (schedule_run(&world, seed, tell))
        return 0;
    printf("simulation: %s%sseed %" PRIu64 " fails %s\n", name, *name ? ": " : "", seed,
           world.failure);
    printf("simulation: see it with --one %" PRIu64 "\n", seed);
    return 1;
}

/* Lines of "SEED NAME"; a # begins a comment. */
static int
run_regressions(const char *path)
{
    char line[256], name[200];
    uint64_t seed;
    int count = 0, failed = 0;
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        return 1;
    }
    while (fgets(line, sizeof line, file)) {
        if (*line == '#' || *line == '\n')
            continue;
        if (sscanf(line, "%" SCNu64 " %199[^\n]", &seed, name) != 2) {
            printf("simulation: %s: not SEED NAME: %s", path, line);
            failed++;
            continue;
        }
        count++;
        failed += run_one(seed, false, name);
    }
    fclose(file);
    printf("simulation: %d named schedules run again, %d failed\n", count, failed);
    return failed > 0;
}

static int
run_many(uint64_t seed, uint64_t schedules)
{
    uint64_t delivered = 0;
    for (uint64_t i = 0; i < schedules; i++) {
        if (run_one(mix(seed, i), false, ""))
            return 1;
        delivered += world.delivered;
        if ((i + 1) % PROGRESS == 0)
            fprintf(stderr, "simulation: %" PRIu64 " schedules held so far\n", i + 1);
    }
    printf("simulation: %" PRIu64 " schedules held, %" PRIu64 " messages, %.1f s of CPU\n",
           schedules, delivered, (double)clock() / CLOCKS_PER_SEC);
    return 0;
}

static uint64_t
read_number(const char *text, const char *flag)
{
    char *end;
    uint64_t number = strtoull(text, &end, 10);
    if (*text && !*end)
        return number;
    fprintf(stderr, "headcount-simulation: %s: '%s' is no number\n", flag, text);
    exit(100);
}

int
main(int argc, char **argv)
{
    static const struct option options[] = {
        {"schedules", required_argument, NULL, 'n'},   {"seed", required_argument, NULL, 's'},
        {"one", required_argument, NULL, 'o'},         {"check", required_argument, NULL, 'c'},
        {"regressions", required_argument, NULL, 'r'}, {0}};
    uint64_t schedules = 0, seed = 0;
    bool seeded = false;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        switch (option) {
        case 'n':
            schedules = read_number(optarg, "--schedules");
            break;
        case 's':
            seed = read_number(optarg, "--seed");
            seeded = true;
            break;
        case 'o':
            return run_one(read_number(optarg, "--one"), true, "");
        case 'c':
            return run_one(read_number(optarg, "--check"), false, "");
        case 'r':
            if (run_regressions(optarg))
                return 1;
            break;
        default:
            return 100;
        }
    }
    if (!schedules)
        return 0;
    if (!seeded)
        seed = chance_seed("simulation");
    else
        printf("simulation: SEED=%" PRIu64 "\n", seed);
    return run_many(seed, schedules);
}
