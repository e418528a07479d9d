#ifndef CONNMGR_RUNTIME_H
#define CONNMGR_RUNTIME_H

/*
 * Unmaps the pages of the executable that have not been written: code and data that only the start needed.
 * What is used again is mapped again, from the kernel's page cache. Without CONFIG_PROC_PAGE_MONITOR
 * nothing is done.
 */
void connmgr_unmap_executable(void);

#endif
