/* Drops the capabilities that the process does not need, in all of its threads. */
#ifndef CONNMGR_CAPABILITIES_H
#define CONNMGR_CAPABILITIES_H

#include <stdint.h>

/*
 * Keeps only the capabilities in `keep` (a bit each, <linux/capability.h>) that the process holds: effective, permitted,
 * inheritable, ambient for started programs, and the bounding set. From then on no program gains privileges, not even
 * set-user-ID programs. Does this in every thread, because the kernel stores capabilities for each thread. Returns 0, or
 * -errno of the first step that failed; the other steps are carried out all the same.
 */
int32_t connmgr_keep_capabilities(uint64_t keep);

#endif
