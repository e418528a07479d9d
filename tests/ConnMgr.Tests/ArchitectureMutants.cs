// Types that break a rule of the architecture on purpose: ArchitectureTests must report each of them. They
// are in the product's namespaces and use forbidden types by qualified name, without a using directive.
namespace ConnMgr.Links
{
    internal static class MutantThatLogs
    {
        public static void Say(object log) => ((ConnMgr.Logging.Log)log).Info("wrong");
    }

    internal static class MutantThatWritesJson
    {
        public static int Write() => new ConnMgr.Logging.JsonWriter(new(80)).Open('{').Text.Length;
    }

    internal static class MutantThatReadsRtnetlink
    {
        public static bool Read(byte[] bytes) => ConnMgr.Netlink.RouteMessage.TryReadLink(bytes, out _);
    }

    internal static class MutantThatReadsAFile
    {
        public static bool Read() => System.IO.File.Exists("/");
    }

    internal static class MutantThatReadsAClock
    {
        public static DateTime Read() => System.DateTime.UtcNow;
    }

    internal static class MutantThatCallsTheKernel
    {
        public static void Close() => _ = Tmds.Linux.LibC.close(-1);
    }

    internal static class MutantThatUsesAPointer
    {
        public static unsafe int Read(int* number) => *number;
    }

    internal static class MutantThatNamesAConstant
    {
        public static string Write(LinkClass which) => $"{which}";
    }

    internal static class MutantThatWritesAFraction
    {
        public static string Write(double fraction) => $"{fraction:0.0}";
    }

    internal static class MutantThatWritesATime
    {
        public static string Write(DateTime time) => $"{time:HH:mm}";
    }

    internal static class MutantThatWritesARecord
    {
        public static string Write(ConnMgr.Config.Options options) => $"{options}";
    }

    internal static class MutantThatWaits
    {
        public static async Task Wait(Task other) => await other;
    }
}

namespace ConnMgr.Net
{
    internal static class MutantThatLooksUp
    {
        public static EventLoop.Pace Make() => new(1, TimeSpan.Zero);
    }
}
