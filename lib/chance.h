/* Chance that can be had again: the tests' random numbers, from a seed that is printed. Set
 * SEED in the environment to repeat a run. */
#ifndef CHANCE_H
#define CHANCE_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct chance {
    uint64_t state;
};

static inline uint64_t
chance_seed(const char *test)
{
    const char *given = getenv("SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = given ? strtoull(given, NULL, 10)
                          : (uint64_t)now.tv_sec * 1000003u + (uint64_t)now.tv_nsec;
    printf("%s: SEED=%" PRIu64 "\n", test, seed);
    fflush(stdout);
    return seed;
}

/* How many of so many steps a test takes at random: all, or as many in a hundred as
 * STEPS_PERCENT says where each takes long (under valgrind). */
static inline int
chance_steps(int steps)
{
    const char *percent = getenv("STEPS_PERCENT");
    return percent ? (int)((long)steps * atoi(percent) / 100) : steps;
}

/* 0 to below - 1. */
static inline uint64_t
chance_below(struct chance *chance, uint64_t below)
{
    chance->state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    uint64_t mixed = chance->state;
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (mixed ^ (mixed >> 31)) % below;
}

static inline bool
chance_percent(struct chance *chance, unsigned percent)
{
    return chance_below(chance, 100) < percent;
}

#endif
