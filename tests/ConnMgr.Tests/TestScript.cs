using System.Diagnostics;

namespace ConnMgr.Tests;

/// <summary>The scripts that a test gives to the parts that run scripts.</summary>
internal static class TestScript
{
    /// <summary>
    /// Writes an executable script of sh, and returns its path. Another process writes it: a child that
    /// a parallel test starts meanwhile would inherit the open file, and the kernel does not execute a file
    /// that is open for writing (ETXTBSY).
    /// </summary>
    /// <param name="directory">Where.</param>
    /// <param name="name">The file's name.</param>
    /// <param name="body">The commands.</param>
    public static string Write(string directory, string name, string body)
    {
        string path = Path.Combine(directory, name);
        File.WriteAllText($"{path}.text", $"#!/bin/sh\n{body}\n");
        const string Copy =
            "cp \"$0.text\" \"$0.new\" && chmod 700 \"$0.new\" && mv \"$0.new\" \"$0\" && rm \"$0.text\"";
        using Process copy = Process.Start("/bin/sh", ["-c", Copy, path]);
        copy.WaitForExit();
        Assert.Equal(0, copy.ExitCode);
        return path;
    }

    /// <summary>Returns the lines of a file; none if it does not exist.</summary>
    public static string[] Lines(string directory, string name)
    {
        string path = Path.Combine(directory, name);
        return File.Exists(path) ? File.ReadAllLines(path) : [];
    }
}
