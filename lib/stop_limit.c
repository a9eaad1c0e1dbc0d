#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "stop_limit.h"

static void
on_alarm(int number)
{
    static const char line[] = "STOP_TIMEOUT_MS is over: ending without waiting further\n";
    (void)number;
    if (write(STDERR_FILENO, line, strlen(line)) < 0)
        _exit(0);
    _exit(0);
}

void
stop_limit_start(int64_t limit_ms)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval timer = {
        .it_value = {.tv_sec = limit_ms / 1000, .tv_usec = limit_ms % 1000 * 1000}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

void
stop_signals_ignore(void)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}
