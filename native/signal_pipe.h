/* Signals as bytes in a pipe, so that an epoll loop can wait for them without a thread of their own. */
#ifndef CONNMGR_SIGNAL_PIPE_H
#define CONNMGR_SIGNAL_PIPE_H

#include <stdint.h>

/*
 * Catches `count` signals: each delivery writes its number as one byte into a pipe. Returns the non-blocking,
 * close-on-exec read end, or -errno. SIGPIPE is ignored from then on, SIGCHLD is not. To be called once.
 */
int32_t connmgr_catch_signals(const int32_t *signals, int32_t count);

#endif
