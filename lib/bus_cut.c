/* In: ports. Out: sockets shut, found by their descriptors. */
#include <arpa/inet.h>
#include <dirent.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "bus_cut.h"

/* The port of a TCP socket's own end, if it is connected. */
static int
find_port(int descriptor)
{
    struct sockaddr_storage own = {.ss_family = AF_UNSPEC}, peer;
    socklen_t own_bytes = sizeof own, peer_bytes = sizeof peer;
    if (getsockname(descriptor, (struct sockaddr *)&own, &own_bytes) ||
        getpeername(descriptor, (struct sockaddr *)&peer, &peer_bytes))
        return 0;
    if (own.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&own)->sin_port);
    return own.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&own)->sin6_port) : 0;
}

/* A descriptor that ZeroMQ closes meanwhile does no harm: whatever has its number then is
 * looked at like every other. */
int
bus_cut_ports(const int *ports, size_t count)
{
    int cut = 0;
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        int descriptor = atoi(entry->d_name), port = find_port(descriptor);
        for (size_t i = 0; port && i < count; i++)
            if (port == ports[i] && !shutdown(descriptor, SHUT_RDWR))
                cut++;
    }
    if (folder)
        closedir(folder);
    return cut;
}
