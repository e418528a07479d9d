#ifndef CONNMGR_RUNTIME_H
#define CONNMGR_RUNTIME_H

/*
 * Unmaps the pages of the executable that have not been written: code and data that only the start needed. The
 * kernel maps pages that are used again from its page cache. Does nothing without CONFIG_PROC_PAGE_MONITOR.
 */
void connmgr_unmap_executable(void);

#endif
