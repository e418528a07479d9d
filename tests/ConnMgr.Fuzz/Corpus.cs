namespace ConnMgr.Fuzz;

/// <summary>The kept inputs: one file each, in corpus/TARGET beside this source.</summary>
internal static class Corpus
{
    /// <summary>Returns the inputs of a target, always in the same order.</summary>
    public static List<byte[]> Of(Target target) => [.. FilesOf(target).Select(File.ReadAllBytes)];

    /// <summary>Returns the paths of the inputs of a target.</summary>
    public static string[] FilesOf(Target target)
    {
        string directory = Path.Combine(Directory.FullName, target.Name);
        string[] files = System.IO.Directory.Exists(directory) ? System.IO.Directory.GetFiles(directory) : [];
        Array.Sort(files, StringComparer.Ordinal);
        return files;
    }

    /// <summary>
    /// The directory of all corpora: found from the directory of the program upwards, since the compiler
    /// writes no paths into it.
    /// </summary>
    private static DirectoryInfo Directory
    {
        get
        {
            for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
            {
                DirectoryInfo corpus = new(Path.Combine(at.FullName, "tests/ConnMgr.Fuzz/corpus"));
                if (corpus.Exists)
                {
                    return corpus;
                }
            }
            throw new DirectoryNotFoundException("no tests/ConnMgr.Fuzz/corpus above the program");
        }
    }
}
