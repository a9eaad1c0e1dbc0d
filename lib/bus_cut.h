/* Ends the connections of TCP listeners of this process: ZeroMQ tells neither whose key a
 * connection has nor ends one. Loop thread. */
#ifndef BUS_CUT_H
#define BUS_CUT_H

#include <stddef.h>

/* Shuts whatever is connected to one of our own ports; the number of those. */
int bus_cut_ports(const int *ports, size_t count);

#endif
