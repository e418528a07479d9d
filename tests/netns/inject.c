// inject DIRECTORY ORDER PROGRAM ARGUMENTS...: becomes PROGRAM, and makes one of its system calls fail. A second process decides
// about each call (seccomp_unotify(2)), so the program may be static, and its process, signals and parent are what they would be
// without. Calls of its children are left alone.
//
// ORDER is "CALL PLACE ERROR", e.g. "sendto 3f21c07a ENOBUFS": the first CALL from that place in PROGRAM, from now on, fails with
// ERROR. The place stands for the addresses to which the functions return that led to the call. "one-byte" for ERROR: a read or
// write of a file, pipe or stream transfers one byte. "none" is an order, too.
// More orders, each a line, are read from the FIFO DIRECTORY/order. Each empties DIRECTORY/calls, into which each call from a place
// that is new since the order is written: CALL PLACE WHERE, where "short" before CALL tells that it may transfer one byte.
// DIRECTORY/serial has the number of orders read: when it has grown, the order is in force. What was injected is appended to
// DIRECTORY/injected.
#define _GNU_SOURCE
#include "labtool.h"

#ifdef __x86_64__ // calls in the target are made by its registers

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

#define CALL(name) { #name, SYS_##name }
static const struct call {
    const char *name;
    int number;
} calls[] = {
    CALL(socket), CALL(bind), CALL(connect), CALL(listen), CALL(accept4), CALL(getsockname), CALL(getsockopt),
    CALL(setsockopt), CALL(sendto), CALL(recvfrom), CALL(sendmsg), CALL(recvmsg), CALL(read), CALL(pread64), CALL(readv),
    CALL(write), CALL(writev), CALL(openat), CALL(fcntl), CALL(ioctl), CALL(fstat), CALL(newfstatat), CALL(statx), CALL(getdents64),
    CALL(ftruncate), CALL(fchmod), CALL(flock), CALL(fsync), CALL(epoll_create1), CALL(epoll_ctl), CALL(epoll_pwait),
    CALL(timerfd_create), CALL(timerfd_settime), CALL(eventfd2), CALL(pipe2), CALL(inotify_init1), CALL(inotify_add_watch),
    CALL(pidfd_open), CALL(clone3), CALL(clone), CALL(waitid), CALL(wait4), CALL(ppoll), CALL(getrandom), CALL(prctl), CALL(capset),
    CALL(capget), CALL(mmap), CALL(mprotect), CALL(madvise), CALL(mremap), CALL(brk),
#ifdef SYS_open // not on arm64
    CALL(open), CALL(stat), CALL(lstat), CALL(mkdir), CALL(rename), CALL(unlink), CALL(chmod), CALL(readlink), CALL(access),
    CALL(epoll_wait), CALL(poll), CALL(vfork), CALL(symlink), CALL(link),
#endif
    CALL(mkdirat), CALL(renameat2), CALL(unlinkat), CALL(readlinkat), CALL(faccessat),
};
enum { CALLS = sizeof calls / sizeof *calls };

static const struct {
    const char *name;
    int number;
} errors[] = {
    { "one-byte", 0 }, { "EINTR", EINTR }, { "EIO", EIO }, { "EAGAIN", EAGAIN }, { "ENOMEM", ENOMEM }, { "EMFILE", EMFILE },
    { "ENFILE", ENFILE }, { "ENOSPC", ENOSPC }, { "ENOBUFS", ENOBUFS }, { "EPERM", EPERM }, { "ENETDOWN", ENETDOWN },
};
enum { ERRORS = sizeof errors / sizeof *errors };

enum { PLACES = 4096, DEPTH = 10, STACK = 4096 };

static const char *directory;
static pid_t target;
static int target_fd = -1; // a pidfd
static uint64_t text_begin, text_end; // where the program's instructions are, in its memory
static const unsigned char *text;
static uint32_t seen[PLACES]; // since the last order
static int seen_count;
static const char *chosen;
static uint32_t chosen_place;
static int chosen_error;
static char order[256];
static unsigned serial;

static void open_path(FILE **file, const char *name, const char *mode)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    *file = fopen(path, mode);
    if (!*file)
        die(path);
}

static void obey(const char *line)
{
    FILE *file;
    open_path(&file, "calls", "we");
    fclose(file);
    seen_count = 0;
    chosen = NULL;
    snprintf(order, sizeof order, "%s", line);
    char *rest;
    const char *name = strtok_r(order, " \n", &rest), *place = strtok_r(NULL, " \n", &rest), *error = strtok_r(NULL, " \n", &rest);
    if (name && place && error) {
        int which = 0;
        while (which < ERRORS && strcmp(errors[which].name, error) != 0)
            which++;
        if (which == ERRORS) {
            fprintf(stderr, "labtool inject: no such error: %s\n", error);
            exit(64);
        }
        chosen = name;
        chosen_place = (uint32_t)strtoul(place, NULL, 16);
        chosen_error = errors[which].number;
    }
    open_path(&file, "serial", "we");
    fprintf(file, "%u\n", ++serial);
    fclose(file);
}

// Finds the instructions of the program, once it runs.
static void find_text(void)
{
    char path[64], exe[512], line[1024];
    snprintf(path, sizeof path, "/proc/%d/exe", (int)target);
    ssize_t length = readlink(path, exe, sizeof exe - 1);
    exe[length > 0 ? length : 0] = '\0';
    snprintf(path, sizeof path, "/proc/%d/maps", (int)target);
    FILE *maps = fopen(path, "re");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long long begin, end, offset;
        if (strstr(line, exe) && sscanf(line, "%llx-%llx r-xp %llx", &begin, &end, &offset) == 3) {
            int fd = open(exe, O_RDONLY | O_CLOEXEC);
            text = mmap(NULL, end - begin, PROT_READ, MAP_PRIVATE, fd, (off_t)offset);
            close(fd);
            if (text == MAP_FAILED)
                die(exe);
            text_begin = begin;
            text_end = end;
            break;
        }
    }
    if (maps)
        fclose(maps);
}

// True if the instruction before this one is a call, so that a function may return here.
static int is_after_call(uint64_t address)
{
    if (address < text_begin + 7 || address >= text_end)
        return 0;
    const unsigned char *at = text + (address - text_begin);
    if (at[-5] == 0xe8)
        return 1;
    for (int size = 2; size <= 7; size++) // call r/m: ff /2
        if (at[-size] == 0xff && (at[1 - size] & 0x38) == 0x10)
            return 1;
    return 0;
}

// Returns a number that stands for the program's functions on the stack of the caller.
static uint32_t place_of(pid_t thread, uint64_t instruction)
{
    static uint64_t stack[STACK / 8];
    char path[64], line[256] = "";
    unsigned long long pointer = 0;
    if (!text)
        find_text();
    snprintf(path, sizeof path, "/proc/%d/syscall", (int)thread);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = read(fd, line, sizeof line - 1);
    close(fd);
    char *last = length > 0 ? strrchr(line, ' ') : NULL;
    if (last) {
        *last = '\0';
        last = strrchr(line, ' ');
    }
    if (last)
        pointer = strtoull(last, NULL, 16);
    struct iovec ours = { stack, sizeof stack }, its = { (void *)pointer, sizeof stack };
    ssize_t got = process_vm_readv(target, &ours, 1, &its, 1, 0);
    uint32_t hash = 2166136261u ^ (uint32_t)(instruction - text_begin);
    for (int i = 0, found = 0; i < got / 8 && found < DEPTH; i++)
        if (is_after_call(stack[i])) {
            hash = (hash ^ (uint32_t)(stack[i] - text_begin)) * 16777619u;
            found++;
        }
    return hash;
}

// True if the call goes through a file, pipe or stream, and so may transfer fewer bytes than it was asked for.
static int is_partible(int fd, int *is_socket)
{
    struct stat status;
    int type = 0;
    socklen_t length = sizeof type;
    if (fstat(fd, &status) != 0)
        return 0;
    *is_socket = S_ISSOCK(status.st_mode);
    return S_ISREG(status.st_mode) || S_ISFIFO(status.st_mode)
        || (*is_socket && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_STREAM);
}

static int is_read(int number)
{
    return number == SYS_read || number == SYS_recvfrom || number == SYS_pread64;
}

static int is_write(int number)
{
    return number == SYS_write || number == SYS_sendto;
}

// Transfers one byte for the program. Returns 1, 0 at the end of a file, or -errno.
static int transfer_one(const struct seccomp_data *call, int fd, int is_socket)
{
    char byte;
    struct iovec ours = { &byte, 1 }, its = { (void *)call->args[1], 1 };
    ssize_t moved;
    if (is_read(call->nr)) {
        moved = call->nr == SYS_pread64 ? pread(fd, &byte, 1, (off_t)call->args[3])
            : is_socket ? recv(fd, &byte, 1, call->nr == SYS_recvfrom ? (int)call->args[3] | MSG_DONTWAIT : MSG_DONTWAIT)
            : read(fd, &byte, 1);
        if (moved == 1 && process_vm_writev(target, &ours, 1, &its, 1, 0) != 1)
            return -EFAULT;
    } else {
        if (process_vm_readv(target, &ours, 1, &its, 1, 0) != 1)
            return -EFAULT;
        moved = is_socket ? send(fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) : write(fd, &byte, 1);
    }
    return moved < 0 ? -errno : (int)moved;
}

// Prints a call, its place, and what it is about: a path, or what the descriptor is.
static void note(const char *file_name, const struct seccomp_data *call, const char *name, uint32_t place, const char *more)
{
    char link[64], about[256] = "";
    ssize_t length;
    struct iovec ours = { about, sizeof about - 1 }, its = { NULL, sizeof about - 1 };
    snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)target, (int)call->args[0]);
    its.iov_base = (void *)call->args[strncmp(name, "openat", 6) == 0 || strncmp(name, "newfst", 6) == 0];
    if (strncmp(name, "open", 4) == 0 || strncmp(name, "newfst", 6) == 0 || strncmp(name, "mkdir", 5) == 0)
        length = process_vm_readv(target, &ours, 1, &its, 1, 0);
    else
        length = readlink(link, about, sizeof about - 1);
    about[length > 0 ? length : 0] = '\0';
    FILE *file;
    open_path(&file, file_name, "ae");
    fprintf(file, "%s%s%s %08x %.100s\n", more, *more ? " " : "", name, place, about);
    fclose(file);
}

// True if the call fails, or was carried out in part, by order.
static int is_injected(const struct seccomp_notif *asked, struct seccomp_notif_resp *answer)
{
    const struct seccomp_data *call = &asked->data;
    const char *name = "?";
    for (int i = 0; i < CALLS; i++)
        if (calls[i].number == call->nr)
            name = calls[i].name;
    uint32_t place = place_of((pid_t)asked->pid, call->instruction_pointer) ^ (uint32_t)call->nr;
    for (int i = 0; i < seen_count; i++)
        if (seen[i] == place)
            return 0;
    if (seen_count < PLACES)
        seen[seen_count++] = place;

    int fd = -1, is_socket = 0;
    if ((is_read(call->nr) || is_write(call->nr)) && call->args[2] > 1)
        fd = (int)syscall(SYS_pidfd_getfd, target_fd, (int)call->args[0], 0);
    int may_be_short = fd >= 0 && is_partible(fd, &is_socket);
    note("calls", call, name, place, may_be_short ? "short" : "");
    int is_now = chosen && place == chosen_place && strcmp(chosen, name) == 0 && (chosen_error != 0 || may_be_short);
    if (is_now) {
        note("injected", call, name, place, chosen_error ? strerrorname_np(chosen_error) : "one-byte");
        int result = chosen_error ? -chosen_error : transfer_one(call, fd, is_socket);
        answer->error = result < 0 ? result : 0;
        answer->val = result < 0 ? 0 : result;
    }
    if (fd >= 0)
        close(fd);
    return is_now;
}

static int is_target(pid_t thread)
{
    char text[64];
    if (thread == target)
        return 1;
    snprintf(text, sizeof text, "/proc/%d/task/%d", (int)target, (int)thread);
    return access(text, F_OK) == 0;
}

static _Noreturn void decide(int listener)
{
    char path[512], line[256];
    snprintf(path, sizeof path, "%s/order", directory);
    int fifo = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC); // open for writing, too: it then never ends
    FILE *orders = fifo < 0 ? NULL : fdopen(fifo, "r");
    if (!orders)
        die(path);
    // Faster where the kernel (6.6) knows it: both processes then take turns on one processor.
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
    struct pollfd ready[2] = { { .fd = listener, .events = POLLIN }, { .fd = fifo, .events = POLLIN } };
    for (;;) {
        if (poll(ready, 2, -1) < 0)
            continue;
        if (ready[1].revents & POLLIN) {
            while (fgets(line, sizeof line, orders))
                obey(line);
            clearerr(orders);
        }
        if (ready[0].revents & POLLIN) {
            struct seccomp_notif asked = { 0 };
            if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0)
                continue; // the caller was killed
            struct seccomp_notif_resp answer = { .id = asked.id };
            if (!is_target((pid_t)asked.pid) || !is_injected(&asked, &answer))
                answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
            ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
        } else if (ready[0].revents) {
            exit(0); // nobody is left who could call
        }
    }
}

// Writes a filter that asks about the calls of the program's own instructions alone: its children run free of cost.
static unsigned short write_filter(struct sock_filter *code)
{
    unsigned short size = 0;
    uint32_t high = (uint32_t)(text_begin >> 32);
    code[size++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4);
    code[size++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, high, 0, CALLS + 4);
    code[size++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer));
    code[size++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)text_begin, 0, CALLS + 2);
    code[size++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)text_end, CALLS + 1, 0);
    code[size++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < CALLS; i++)
        code[size++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i].number,
            (unsigned char)(CALLS - i), 0);
    code[size++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[size++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    return size;
}

// Makes the stopped program call the kernel, and returns the result.
static long call_in_target(long number, uint64_t first, uint64_t second, uint64_t third)
{
    struct user_regs_struct before, regs;
    int status;
    if (ptrace(PTRACE_GETREGS, target, NULL, &before) != 0)
        die("PTRACE_GETREGS");
    errno = 0;
    long code = ptrace(PTRACE_PEEKTEXT, target, (void *)before.rip, NULL);
    regs = before;
    regs.rax = (unsigned long)number, regs.orig_rax = (unsigned long)-1;
    regs.rdi = first, regs.rsi = second, regs.rdx = third;
    if (errno != 0 || ptrace(PTRACE_POKETEXT, target, (void *)before.rip, (void *)0xcc050fL) != 0 // syscall; int3
        || ptrace(PTRACE_SETREGS, target, NULL, &regs) != 0 || ptrace(PTRACE_CONT, target, NULL, NULL) != 0
        || waitpid(target, &status, 0) != target || !WIFSTOPPED(status)
        || ptrace(PTRACE_GETREGS, target, NULL, &regs) != 0 || ptrace(PTRACE_POKETEXT, target, (void *)before.rip, (void *)code) != 0
        || ptrace(PTRACE_SETREGS, target, NULL, &before) != 0)
        die("labtool inject: ptrace");
    return (long)regs.rax;
}

// Waits until the program begins, and puts the filter before it. Returns our copy of the listener.
static int attach(void)
{
    int status;
    while (waitpid(target, &status, 0) == target && status >> 8 != (SIGTRAP | PTRACE_EVENT_EXEC << 8)) {
        if (!WIFSTOPPED(status))
            exit(1);
        ptrace(PTRACE_CONT, target, NULL, (void *)(long)WSTOPSIG(status)); // its child has ended, or so
    }
    // To the end of execve, whose result would overwrite the registers.
    if (ptrace(PTRACE_SYSCALL, target, NULL, NULL) != 0 || waitpid(target, &status, 0) != target || !WIFSTOPPED(status))
        exit(1);
    find_text();
    struct sock_filter code[CALLS + 8];
    struct sock_fprog program = { .len = write_filter(code) };
    struct user_regs_struct regs;
    ptrace(PTRACE_GETREGS, target, NULL, &regs);
    uint64_t room = (regs.rsp - sizeof code - sizeof program - 4096) & ~15ULL;
    program.filter = (struct sock_filter *)(room + sizeof program);
    struct iovec ours[2] = { { &program, sizeof program }, { code, sizeof code } };
    struct iovec its = { (void *)room, sizeof program + sizeof code };
    if (process_vm_writev(target, ours, 2, &its, 1, 0) != (ssize_t)its.iov_len)
        die("labtool inject: the program's stack");
    long listener = call_in_target(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
        SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, room);
    if (listener < 0) {
        errno = (int)-listener;
        die("labtool inject: seccomp");
    }
    int copy = (int)syscall(SYS_pidfd_getfd, target_fd, (int)listener, 0);
    if (copy < 0)
        die("labtool inject: the listener");
    call_in_target(SYS_close, (uint64_t)listener, 0, 0);
    ptrace(PTRACE_DETACH, target, NULL, NULL);
    return copy;
}

int inject(int argc, char **argv)
{
    (void)argc;
    directory = argv[0];
    target = getpid();
    sigset_t wake;
    sigemptyset(&wake);
    sigaddset(&wake, SIGUSR1);
    sigprocmask(SIG_BLOCK, &wake, NULL);
    // The program must not see a child that it did not start: the second process is nobody's.
    pid_t child = fork();
    if (child == 0) {
        if (fork() != 0)
            _exit(0);
        setsid();
        signal(SIGTERM, SIG_IGN);
        signal(SIGINT, SIG_IGN);
        target_fd = (int)syscall(SYS_pidfd_open, target, 0);
        obey(argv[1]);
        if (target_fd < 0 || ptrace(PTRACE_SEIZE, target, NULL, PTRACE_O_TRACEEXEC) != 0 || kill(target, SIGUSR1) != 0)
            die("labtool inject: ptrace");
        decide(attach());
    }
    waitpid(child, NULL, 0);
    int signal_number;
    sigwait(&wake, &signal_number); // the tracer is ready
    sigprocmask(SIG_UNBLOCK, &wake, NULL);
    execv(argv[2], argv + 2);
    die(argv[2]);
}

#else

#include <stdio.h>

int inject(int argc, char **argv)
{
    (void)argc;
    fprintf(stderr, "labtool %s: for x86-64 alone\n", argv[0]);
    return 1;
}

#endif
