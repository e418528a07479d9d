using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.Tests.Capture;

/// <summary>
/// Runs code on a thread in a new network namespace, which the kernel deletes when the thread ends.
/// </summary>
internal static partial class NetworkNamespace
{
    public static void Run(Action action)
    {
        Assert.SkipUnless(LibC.geteuid() == 0, "needs root: makes a network namespace");
        Exception? failure = null;
        Thread thread = new(() =>
        {
            try
            {
                Errno.Check(LibC.unshare(LibC.CLONE_NEWNET));
                action();
            }
            catch (Exception e)
            {
                failure = e;
            }
        });
        thread.Start();
        thread.Join();
        if (failure is not null)
        {
            ExceptionDispatchInfo.Throw(failure);
        }
    }

    /// <summary>Runs `ip` in the namespace of the calling thread.</summary>
    public static void RunIp(string arguments)
    {
        using Process ip = Process.Start("ip", arguments.Split(' '));
        ip.WaitForExit();
        Assert.True(ip.ExitCode == 0, $"ip {arguments}");
    }

    /// <summary>Returns what ip(8) prints.</summary>
    public static string IpSays(string arguments)
    {
        using Process ip = Process.Start(
            new ProcessStartInfo("ip", arguments) { RedirectStandardOutput = true })!;
        string answer = ip.StandardOutput.ReadToEnd();
        ip.WaitForExit();
        return answer;
    }

    /// <summary>
    /// Returns a device's index. /sys cannot be used: it shows the namespace in which it was mounted.
    /// </summary>
    public static int Index(string device) => Errno.Check((int)if_nametoindex(device) - 1) + 1;

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial uint if_nametoindex(string ifname);
}
