/*
 * The .NET runtime would handle signals on a thread of its own and hand them to its thread pool. A handler that
 * only writes a byte is async-signal-safe whichever thread it interrupts, and needs neither.
 */
#define _GNU_SOURCE
#include "signal_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static int write_end = -1;

static void on_signal(int signo)
{
    int saved = errno;
    uint8_t byte = (uint8_t)signo;
    /* A full pipe already holds more signals than the loop needs. */
    ssize_t ignored = write(write_end, &byte, 1);
    (void)ignored;
    errno = saved;
}

int32_t connmgr_catch_signals(const int32_t *signals, int32_t count)
{
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0)
        return -errno;
    write_end = ends[1];

    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    action.sa_handler = on_signal;
    for (int32_t i = 0; i < count; i++)
        if (sigaction((int)signals[i], &action, NULL) < 0)
            return -errno;

    /* The parent process may have blocked these signals, or ignored SIGCHLD, so that children could not be reaped. */
    sigset_t caught;
    sigemptyset(&caught);
    for (int32_t i = 0; i < count; i++)
        sigaddset(&caught, (int)signals[i]);
    pthread_sigmask(SIG_UNBLOCK, &caught, NULL);
    signal(SIGCHLD, SIG_DFL);

    action.sa_handler = SIG_IGN;
    return sigaction(SIGPIPE, &action, NULL) < 0 ? -errno : ends[0];
}
