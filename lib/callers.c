/* In: connections that come, get on and go. Out: those to be cut. Two lists, each with the one
 * that has been in it longest first.
 *
 *     enter ──▶ WAITING ──request──▶ ANSWERED ──answer──▶ WAITING …;  any ──too long──▶ CUT
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include <utlist.h>

#include "callers.h"
#include "crowd.h"
#include "mem.h"

enum state { WAITING, ANSWERED, CUT, STATES = CUT };

struct caller {
    int descriptor;
    enum state state;
    int64_t since_ms;            /* in this state */
    struct crowd_member *member; /* NULL: a proxy's */
    struct caller *prev, *next;  /* in the state's list */
};

struct callers {
    pthread_mutex_t mutex;
    struct callers_options options;
    struct crowd *crowd;
    struct caller *lists[STATES]; /* by state */
    size_t open;                  /* of both */
};

struct callers *
callers_new(const struct callers_options *options)
{
    struct callers *callers = mem_alloc(sizeof *callers);
    pthread_mutex_init(&callers->mutex, NULL);
    callers->options = *options;
    callers->crowd = crowd_new(options->seed, options->most_of_address);
    return callers;
}

void
callers_destroy(struct callers **callers)
{
    if (!*callers)
        return;
    crowd_destroy(&(*callers)->crowd);
    pthread_mutex_destroy(&(*callers)->mutex);
    free(*callers);
    *callers = NULL;
}

static void
put(struct callers *callers, struct caller *caller, enum state state, int64_t mono_ms)
{
    caller->state = state;
    caller->since_ms = mono_ms;
    if (state == CUT)
        return;
    DL_APPEND(callers->lists[state], caller);
    callers->open++;
}

static void
take(struct callers *callers, struct caller *caller)
{
    if (caller->state == CUT)
        return;
    DL_DELETE(callers->lists[caller->state], caller);
    callers->open--;
}

static void
cut(struct callers *callers, struct caller *caller, enum callers_end why)
{
    take(callers, caller);
    put(callers, caller, CUT, 0);
    callers->options.cut(callers->options.arg, caller->descriptor, why);
}

/* Whether there is room, made or found, for one more. */
static bool
make_room(struct callers *callers)
{
    if (callers->open < callers->options.most)
        return true;
    if (!callers->lists[WAITING])
        return false;
    cut(callers, callers->lists[WAITING], CALLERS_PUSHED);
    return true;
}

/* CALLERS_ENDS: it may enter. */
static enum callers_end
admit(struct callers *callers, const struct address *address, struct crowd_member **member)
{
    *member = NULL;
    if (address && !networks_hold(callers->options.proxies, address)) {
        *member = crowd_enter(callers->crowd, address);
        if (!*member)
            return CALLERS_ADDRESS;
    }
    if (make_room(callers))
        return CALLERS_ENDS;
    crowd_leave(callers->crowd, member);
    return CALLERS_FULL;
}

struct caller *
callers_enter(struct callers *callers, const struct address *address, int descriptor,
              int64_t mono_ms)
{
    struct caller *caller = NULL;
    struct crowd_member *member;
    pthread_mutex_lock(&callers->mutex);
    enum callers_end why = admit(callers, address, &member);
    if (why == CALLERS_ENDS) {
        caller = mem_alloc(sizeof *caller);
        *caller = (struct caller){.descriptor = descriptor, .member = member};
        put(callers, caller, WAITING, mono_ms);
    } else {
        callers->options.cut(callers->options.arg, descriptor, why);
    }
    pthread_mutex_unlock(&callers->mutex);
    return caller;
}

static void
move(struct callers *callers, struct caller *caller, enum state state, int64_t mono_ms)
{
    pthread_mutex_lock(&callers->mutex);
    if (caller->state != CUT && caller->state != state) {
        take(callers, caller);
        put(callers, caller, state, mono_ms);
    }
    pthread_mutex_unlock(&callers->mutex);
}

void
callers_answer(struct callers *callers, struct caller *caller, int64_t mono_ms)
{
    move(callers, caller, ANSWERED, mono_ms);
}

void
callers_wait(struct callers *callers, struct caller *caller, int64_t mono_ms)
{
    move(callers, caller, WAITING, mono_ms);
}

void
callers_leave(struct callers *callers, struct caller **caller)
{
    if (!*caller)
        return;
    pthread_mutex_lock(&callers->mutex);
    take(callers, *caller);
    crowd_leave(callers->crowd, &(*caller)->member);
    pthread_mutex_unlock(&callers->mutex);
    free(*caller);
    *caller = NULL;
}

static void
cut_late(struct callers *callers, enum state state, int64_t since_ms, enum callers_end why)
{
    while (callers->lists[state] && callers->lists[state]->since_ms <= since_ms)
        cut(callers, callers->lists[state], why);
}

void
callers_tick(struct callers *callers, int64_t mono_ms)
{
    const struct callers_options *options = &callers->options;
    pthread_mutex_lock(&callers->mutex);
    cut_late(callers, WAITING, mono_ms - options->request_ms, CALLERS_SLOW_REQUEST);
    cut_late(callers, ANSWERED, mono_ms - options->answer_ms, CALLERS_SLOW_READER);
    pthread_mutex_unlock(&callers->mutex);
}
