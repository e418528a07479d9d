using System.Diagnostics;

namespace ConnMgr.Tests;

/// <summary>The program conntrack(8), in the network namespace of the calling thread.</summary>
internal static class Conntrack
{
    /// <summary>Runs it, and returns what it prints.</summary>
    public static string Run(string arguments)
    {
        using Process conntrack = Process.Start(new ProcessStartInfo("conntrack", arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        string output = conntrack.StandardOutput.ReadToEnd();
        string error = conntrack.StandardError.ReadToEnd();
        conntrack.WaitForExit();
        Assert.True(conntrack.ExitCode == 0, $"conntrack {arguments}: {error}");
        return output;
    }
}
