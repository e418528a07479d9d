using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Tmds.Linux;

#pragma warning disable CS8981 // names are those of the headers

[assembly: DisableRuntimeMarshalling]

namespace ConnMgr.Native;

/// <summary>The parts of libc that Tmds.LibC lacks. Names and values are those of the headers.</summary>
internal static unsafe partial class LibcExtra
{
    // <time.h>, <sys/timerfd.h>
    public const int CLOCK_MONOTONIC = 1;
    public const int TFD_NONBLOCK = 0x800;
    public const int TFD_CLOEXEC = 0x80000;
    public const int SIGEV_SIGNAL = 0;

    // <signal.h>
    public const int SIGHUP = 1;
    public const int SIGINT = 2;
    public const int SIGPIPE = 13;
    public const int SIGKILL = 9;
    public const int SIGTERM = 15;

    // <sys/wait.h>, <spawn.h>
    public const int P_PID = 1;
    public const int P_PIDFD = 3;
    public const int WEXITED = 4;
    public const int CLD_EXITED = 1;
    public const short POSIX_SPAWN_SETPGROUP = 0x02;
    public const short POSIX_SPAWN_SETSIGDEF = 0x04;
    public const short POSIX_SPAWN_SETSIGMASK = 0x08;

    // <sys/prctl.h>
    public const int PR_SET_PDEATHSIG = 1;

    // <sys/timex.h>
    public const int TIME_ERROR = 5;

    // <linux/magic.h>
    public const uint TMPFS_MAGIC = 0x01021994;
    public const uint RAMFS_MAGIC = 0x858458f6;

    // <sys/file.h>
    public const int LOCK_EX = 2;
    public const int LOCK_NB = 4;

    // <linux/filter.h>, <asm-generic/socket.h>
    public const int SO_ATTACH_FILTER = 26;
    public const int SO_MARK = 36;

    // <linux/icmp.h>, <netinet/icmp6.h>
    public const int ICMP_FILTER = 1;
    public const int ICMP6_FILTER = 1;

    public const int EFD_CLOEXEC = 0x80000; // <sys/eventfd.h>

    [LibraryImport("libc", SetLastError = true)]
    public static partial int eventfd(uint initval, int flags);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int inotify_init1(int flags);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int inotify_add_watch(int fd, byte* pathname, uint mask);

    [LibraryImport("libc")]
    public static partial int inotify_rm_watch(int fd, int wd);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int fchmod(int fd, uint mode);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int timerfd_create(int clockid, int flags);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int timerfd_settime(
        int fd, int flags, itimerspec* new_value, itimerspec* old_value);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int timer_create(int clockid, sigevent* sevp, nint* timerid);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int timer_settime(
        nint timerid, int flags, itimerspec* new_value, itimerspec* old_value);

    [LibraryImport("libc")]
    public static partial int posix_spawn(
        int* pid, byte* path, posix_spawn_file_actions_t* file_actions, posix_spawnattr_t* attrp, byte** argv,
        byte** envp);

    [LibraryImport("libc")]
    public static partial int posix_spawnattr_init(posix_spawnattr_t* attr);

    [LibraryImport("libc")]
    public static partial int posix_spawnattr_destroy(posix_spawnattr_t* attr);

    [LibraryImport("libc")]
    public static partial int posix_spawnattr_setflags(posix_spawnattr_t* attr, short flags);

    [LibraryImport("libc")]
    public static partial int posix_spawnattr_setpgroup(posix_spawnattr_t* attr, int pgroup);

    [LibraryImport("libc")]
    public static partial int posix_spawnattr_setsigmask(posix_spawnattr_t* attr, sigset_t* sigmask);

    [LibraryImport("libc")]
    public static partial int posix_spawnattr_setsigdefault(posix_spawnattr_t* attr, sigset_t* sigdefault);

    [LibraryImport("libc")]
    public static partial int posix_spawn_file_actions_init(posix_spawn_file_actions_t* file_actions);

    [LibraryImport("libc")]
    public static partial int posix_spawn_file_actions_destroy(posix_spawn_file_actions_t* file_actions);

    [LibraryImport("libc")]
    public static partial int posix_spawn_file_actions_adddup2(
        posix_spawn_file_actions_t* file_actions, int fd, int newfd);

    [LibraryImport("libc")]
    public static partial int posix_spawn_file_actions_addopen(
        posix_spawn_file_actions_t* file_actions, int fd, byte* path, int oflag, uint mode);

    [LibraryImport("libc")]
    public static partial int posix_spawn_file_actions_addclosefrom_np(
        posix_spawn_file_actions_t* file_actions, int from);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int waitid(int idtype, uint id, siginfo* infop, int options);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int rename(byte* oldpath, byte* newpath);

    /// <summary>
    /// <paramref name="buf"/>: a zeroed buffer that is larger than any libc's struct timex (208 bytes).
    /// </summary>
    [LibraryImport("libc")]
    public static partial int adjtimex(void* buf);

    /// <summary>
    /// <paramref name="buf"/>: larger than any libc's struct statfs (120 bytes), which begins with f_type, a
    /// long.
    /// </summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int statfs(byte* path, void* buf);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int prctl(int option, nuint arg2, nuint arg3, nuint arg4, nuint arg5);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int flock(int fd, int operation);

    [LibraryImport("libc", SetLastError = true)]
    public static partial nint getrandom(void* buf, nuint buflen, uint flags);

    /// <summary>Opaque; larger than in glibc (336 bytes) and in musl (336 bytes).</summary>
    [StructLayout(LayoutKind.Sequential, Size = 512)]
    public struct posix_spawnattr_t
    {
        private nint _align;
    }

    /// <summary>Opaque; larger than in glibc (80 bytes) and in musl (80 bytes).</summary>
    [StructLayout(LayoutKind.Sequential, Size = 256)]
    public struct posix_spawn_file_actions_t
    {
        private nint _align;
    }

    public struct itimerspec
    {
        public nint it_interval_sec;
        public nint it_interval_nsec;
        public nint it_value_sec;
        public nint it_value_nsec;
    }

    [StructLayout(LayoutKind.Sequential, Size = 64)]
    public struct sigevent
    {
        public nint sigev_value;
        public int sigev_signo;
        public int sigev_notify;
    }

    /// <summary>The part of siginfo_t that waitid fills in. Its union is aligned like a pointer.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 128)]
    public struct siginfo
    {
        public int si_signo;
        public int si_errno;
        public int si_code;
        private readonly nint _pid; // also holds si_uid if a pointer has 8 bytes
        private readonly int _third;
        private readonly int _fourth;

        /// <summary>
        /// The exit status, or the signal that ended the process, as <see cref="si_code"/> tells.
        /// </summary>
        public readonly int si_status => sizeof(nint) == 8 ? _third : _fourth;
    }

    /// <summary>A BPF instruction (&lt;linux/filter.h&gt;).</summary>
    public struct sock_filter
    {
        public ushort code;
        public byte jt;
        public byte jf;
        public uint k;
    }

    public struct sock_fprog
    {
        public ushort len;
        public sock_filter* filter;
    }
}
