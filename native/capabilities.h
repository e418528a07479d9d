/* Giving up what the process does not need, in all of its threads. */
#ifndef CONNMGR_CAPABILITIES_H
#define CONNMGR_CAPABILITIES_H

#include <stdint.h>

/*
 * Keeps of the capabilities held those in `keep` (a bit each, <linux/capability.h>): effective, permitted, inheritable, ambient for
 * those that are started, and the bounding set. Nobody gains privileges from then on, through set-user-ID programs either. In
 * every thread: the kernel keeps all this for each of its own. Returns 0, or -errno of the first thing that did not work;
 * the others are done all the same.
 */
int32_t connmgr_keep_capabilities(uint64_t keep);

#endif
