/* Replaces uses of glibc by the .NET runtime that cost a small device too much. */
#define _GNU_SOURCE
#include "runtime.h"

#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * The runtime forks only to have a crashed process dumped. glibc's fork() also prepares its name services
 * for the child: 130 kB that no other code here needs.
 */
pid_t fork(void)
{
    return _Fork();
}

#define FINALIZER_STACK (256 * 1024) /* bytes */

/*
 * glibc would reserve 64 MB of address space for the finalizer thread's malloc(), and 8 MB (RLIMIT_STACK) for
 * its stack. This runs before the runtime starts that thread, the only one beside the main thread.
 */
__attribute__((constructor)) static void keep_second_thread_small(void)
{
    mallopt(M_ARENA_MAX, 1);
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0)
        return;
    if (pthread_attr_setstacksize(&attributes, FINALIZER_STACK) == 0)
        pthread_setattr_default_np(&attributes);
    pthread_attr_destroy(&attributes);
}

/* Of the 64 bits that /proc/self/pagemap has for a page: see Documentation/admin-guide/mm/pagemap.rst. */
#define PAGE_IS_OF_FILE (UINT64_C(1) << 61)
#define PAGE_IS_PRESENT (UINT64_C(1) << 63)

/* A written page is no longer backed by the file: MADV_DONTNEED would lose its content. */
static void unmap_clean(int pagemap, uintptr_t start, uintptr_t end, uintptr_t page)
{
    uint64_t entries[256];
    while (start < end) {
        size_t wanted = (end - start) / page;
        if (wanted > sizeof(entries) / sizeof(*entries))
            wanted = sizeof(entries) / sizeof(*entries);
        off_t where = (off_t)(start / page * sizeof(*entries));
        ssize_t got = pread(pagemap, entries, wanted * sizeof(*entries), where);
        if (got < (ssize_t)sizeof(*entries))
            return;
        uintptr_t clean = start; /* the start of a run of clean pages */
        for (size_t i = 0; i < (size_t)got / sizeof(*entries); i++, start += page) {
            if ((entries[i] & PAGE_IS_PRESENT) && (entries[i] & PAGE_IS_OF_FILE))
                continue;
            if (clean < start)
                madvise((void *)clean, start - clean, MADV_DONTNEED);
            clean = start + page;
        }
        if (clean < start)
            madvise((void *)clean, start - clean, MADV_DONTNEED);
    }
}

static int unmap_segments(struct dl_phdr_info *executable, size_t size, void *pagemap)
{
    (void)size;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < executable->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &executable->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W))
            continue;
        uintptr_t start = executable->dlpi_addr + segment->p_vaddr;
        uintptr_t end = (start + segment->p_memsz) & ~(page - 1);
        unmap_clean(*(int *)pagemap, (start + page - 1) & ~(page - 1), end, page);
    }
    return 1; /* the executable comes first; a static one has no other objects */
}

/*
 * Under qemu-user /proc/self/pagemap is that of the emulator, with other addresses. This page of the stack has
 * just been written; a pagemap that shows otherwise belongs to another address space.
 */
static int is_ours(int pagemap)
{
    volatile uint64_t written = 1;
    uint64_t entry = 0;
    off_t where = (off_t)((uintptr_t)&written / (uintptr_t)sysconf(_SC_PAGESIZE) * sizeof(entry));
    return pread(pagemap, &entry, sizeof(entry), where) == (ssize_t)sizeof(entry) && written == 1
        && (entry & PAGE_IS_PRESENT) && !(entry & PAGE_IS_OF_FILE);
}

void connmgr_unmap_executable(void)
{
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (pagemap < 0)
        return; /* a kernel without CONFIG_PROC_PAGE_MONITOR */
    if (is_ours(pagemap))
        dl_iterate_phdr(unmap_segments, &pagemap);
    close(pagemap);
}
