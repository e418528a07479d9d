using System.Runtime.CompilerServices;

namespace ConnMgr.Tests;

/// <summary>The paths of the sources.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    public static string Source => Path.Combine(Root, "src", "ConnMgr");

    private static string Find([CallerFilePath] string here = "")
    {
        string? directory = Path.GetDirectoryName(here);
        while (directory is not null && !File.Exists(Path.Combine(directory, "ConnMgr.sln")))
        {
            directory = Path.GetDirectoryName(directory);
        }
        return directory ?? throw new InvalidOperationException("the repository is not where it was built");
    }
}
