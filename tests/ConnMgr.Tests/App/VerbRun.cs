using System.Diagnostics;

namespace ConnMgr.Tests.App;

/// <summary>
/// A verb as a user runs it: in a process of its own, in the network namespace of the calling thread.
/// </summary>
/// <param name="Exit">The exit status.</param>
/// <param name="Output">The lines of standard output.</param>
/// <param name="Error">The lines of standard error.</param>
internal sealed record VerbRun(int Exit, string[] Output, string[] Error)
{
    /// <summary>Runs `connmgr` with these arguments until it ends.</summary>
    public static VerbRun Of(params string[] arguments) => In([], arguments);

    /// <summary>Runs `connmgr` with more environment variables.</summary>
    public static VerbRun In(Dictionary<string, string> environment, params string[] arguments)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "connmgr.dll");
        ProcessStartInfo start = new("dotnet", [program, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new VerbRun(process.ExitCode, Lines(output), Lines(error.GetAwaiter().GetResult()));
    }

    private static string[] Lines(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
}

/// <summary>A directory for the files of a verb, deleted at the end.</summary>
internal sealed class VerbFiles : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("connmgr-test-").FullName;

    /// <summary>Writes a file of the configuration.</summary>
    public void Write(string name, string text) =>
        File.WriteAllText(System.IO.Path.Combine(Path, name), text);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
