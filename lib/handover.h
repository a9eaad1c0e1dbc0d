/* Tells ThreadSanitizer that what a pointer leads to passes from one thread to another through
 * a ZeroMQ pipe. libzmq orders that by atomics which the sanitizer cannot see, as Debian builds
 * the library without it; what either thread touches out of turn is still found. Nothing in
 * every other build. */
#ifndef HANDOVER_H
#define HANDOVER_H

#ifdef __SANITIZE_THREAD__

#include <sanitizer/tsan_interface.h>

/* The giver calls it before it sends, the taker after it has received. */
#define handover_give(pointer) __tsan_release(pointer)
#define handover_take(pointer) __tsan_acquire(pointer)

#else

#define handover_give(pointer) ((void)(pointer))
#define handover_take(pointer) ((void)(pointer))

#endif

#endif
