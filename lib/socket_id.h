/* Tells a socket from another one that has its descriptor later. Any thread. */
#ifndef SOCKET_ID_H
#define SOCKET_ID_H

#include <sys/types.h>

/* The socket's inode, which no other one has while it is open. 0: the descriptor is no socket,
 * or none any more. */
ino_t socket_id(int descriptor);

#endif
