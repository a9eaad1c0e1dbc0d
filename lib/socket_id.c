/* A descriptor → its inode. */
#include <sys/stat.h>

#include "socket_id.h"

ino_t
socket_id(int descriptor)
{
    struct stat state;
    return descriptor >= 0 && !fstat(descriptor, &state) && S_ISSOCK(state.st_mode)
               ? state.st_ino
               : 0;
}
