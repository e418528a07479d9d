using System.Runtime.InteropServices;

#pragma warning disable CS8981 // names are those of the header

namespace ConnMgr.Native;

/// <summary>Imports of native/attrd_shim.h, which documents each function.</summary>
internal static unsafe partial class AttrdShim
{
    public const int ATTRD_OK = 0;
    public const int ATTRD_E_AGAIN = -4;
    public const int ATTRD_STATUS_OK = 0;
    public const int ATTRD_STATUS_UNSPECIFIED = 1;
    public const int ATTRD_STATUS_BAD_DATA = 6;
    public const int ATTRD_STATUS_FORBIDDEN = 10;
    public const int ATTRD_STATUS_NOT_FOUND = 12;

    public const int ATTRD_EVENT_OPEN = 1;
    public const int ATTRD_EVENT_CLOSED = 2;
    public const int ATTRD_EVENT_GET = 3;
    public const int ATTRD_EVENT_SET = 4;
    public const int ATTRD_EVENT_REFUSED = 6;

    public const int ATTRD_CLOSED_CONNECT = 1;
    public const int ATTRD_CLOSED_UNANSWERED = 2;
    public const int ATTRD_CLOSED_REFUSED = 3;
    public const int ATTRD_CLOSED_BY_PEER = 4;
    public const int ATTRD_CLOSED_FAILED = 5;
    public const int ATTRD_CLOSED_NONSENSE = 6;

    public const uint ATTRD_READABLE = 1;
    public const uint ATTRD_WRITABLE = 4;
    public const ulong ATTRD_NO_DEADLINE = ulong.MaxValue;
    public const int ATTRD_MAX_SENT = 3968;

    [LibraryImport("connmgr_native")]
    public static partial nint attrd_create(
        byte* path, byte* name, uint* ranges, int range_count, ulong now_ns);

    [LibraryImport("connmgr_native")]
    public static partial void attrd_destroy(nint handle);

    [LibraryImport("connmgr_native")]
    public static partial void attrd_process(nint handle, ulong now_ns);

    [LibraryImport("connmgr_native")]
    public static partial int attrd_next_event(nint handle, ulong now_ns, attrd_event* next);

    [LibraryImport("connmgr_native")]
    public static partial void attrd_get_watch(nint handle, attrd_watch* watch);

    [LibraryImport("connmgr_native")]
    public static partial int attrd_publish(
        nint handle, uint attribute, byte* value, int length, ulong now_ns);

    [LibraryImport("connmgr_native")]
    public static partial int attrd_answer(nint handle, ulong token, int status, byte* value, int length);

    [StructLayout(LayoutKind.Sequential, Size = 32)]
    public struct attrd_event
    {
        public ulong token;
        public uint attribute;
        public int type;
        public int status;
        public int length;
        public byte* value;
    }

    public struct attrd_watch
    {
        public ulong deadline_ns;
        public uint generation;
        public int fd;
        public uint events;
        public int state;
    }
}
