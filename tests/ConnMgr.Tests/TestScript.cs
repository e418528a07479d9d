namespace ConnMgr.Tests;

/// <summary>The scripts that a test gives to the parts that run scripts.</summary>
internal static class TestScript
{
    /// <summary>Writes an executable script of sh, and returns its path.</summary>
    /// <param name="directory">Where.</param>
    /// <param name="name">The file's name.</param>
    /// <param name="body">The commands.</param>
    public static string Write(string directory, string name, string body)
    {
        string path = Path.Combine(directory, name);
        File.WriteAllText(path, $"#!/bin/sh\n{body}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    /// <summary>Returns the lines of a file; none if it does not exist.</summary>
    public static string[] Lines(string directory, string name)
    {
        string path = Path.Combine(directory, name);
        return File.Exists(path) ? File.ReadAllLines(path) : [];
    }
}
