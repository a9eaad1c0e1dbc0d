/* In: the limits that the process was started with. Out: a higher soft one. */
#include <sys/resource.h>

#include "descriptors.h"
#include "log.h"

int
descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return 0;
    rlim_t most = limit.rlim_max < DESCRIPTORS_WANTED ? limit.rlim_max : DESCRIPTORS_WANTED;
    if (limit.rlim_cur < most) {
        limit.rlim_cur = most;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= DESCRIPTORS_MIN)
        return 0;
    log_error("start.descriptors", "too few open files are allowed (ulimit -n)",
              LOG_INT("allowed", (int64_t)limit.rlim_cur), LOG_INT("needed", DESCRIPTORS_MIN));
    return -1;
}
