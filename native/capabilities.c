#define _GNU_SOURCE
#include "capabilities.h"

#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static uint64_t kept;
static _Atomic int32_t first_error;
static atomic_int done;

static void note(int result)
{
    int32_t none = 0;
    if (result < 0)
        atomic_compare_exchange_strong(&first_error, &none, -errno);
}

/* Works on the calling thread. It makes only system calls, because it also runs in a signal handler. */
static void keep_in_this_thread(void)
{
    /* Needs CAP_SETPCAP. Without it the bounding set is harmless, because there are no new privileges. */
    for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        if (!(kept >> capability & 1) && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EPERM)
            note(-1);

    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct sets[2];
    if (syscall(SYS_capget, &header, sets) < 0) {
        note(-1);
        return;
    }
    for (int half = 0; half < 2; half++) {
        sets[half].permitted &= (uint32_t)(kept >> (32 * half));
        sets[half].effective = sets[half].inheritable = sets[half].permitted;
    }
    note((int)syscall(SYS_capset, &header, sets));
    for (unsigned long capability = 0; capability < 64; capability++)
        if (sets[capability / 32].permitted >> (capability % 32) & 1)
            note(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0));
    note(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static void on_signal(int signo)
{
    (void)signo;
    int saved = errno;
    keep_in_this_thread();
    atomic_fetch_add(&done, 1);
    errno = saved;
}

int32_t connmgr_keep_capabilities(uint64_t keep)
{
    kept = keep;
    keep_in_this_thread();

    DIR *threads = opendir("/proc/self/task");
    if (!threads)
        return first_error ? first_error : -errno;
    int signo = SIGRTMAX - 1;
    struct sigaction action, before;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    note(sigaction(signo, &action, &before));
    int others = 0;
    for (struct dirent *entry; (entry = readdir(threads));) {
        pid_t thread = (pid_t)atoi(entry->d_name);
        if (thread > 0 && thread != (pid_t)syscall(SYS_gettid)
            && syscall(SYS_tgkill, getpid(), thread, signo) == 0)
            others++;
    }
    closedir(threads);
    struct timespec moment = {.tv_nsec = 100000};
    for (int waited = 0; atomic_load(&done) < others && waited < 10000; waited++)
        nanosleep(&moment, NULL);
    if (atomic_load(&done) < others) {
        errno = ETIMEDOUT;
        note(-1);
    } else {
        note(sigaction(signo, &before, NULL));
    }
    return first_error;
}
