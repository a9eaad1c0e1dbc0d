/* From an embedded member back to what embeds it. */
#ifndef CONTAINER_H
#define CONTAINER_H

#include <stddef.h>

#define container_of(pointer_, type_, member_)                                                 \
    ((type_ *)(void *)((char *)(pointer_)-offsetof(type_, member_)))

#endif
