using ConnMgr.Config;
using ConnMgr.Firewall;
using ConnMgr.Logging;
using ConnMgr.Native;

namespace ConnMgr.App;

/// <summary>
/// The configuration files and all errors and warnings about them: for the start, for a reload and for
/// `connmgr check`.
/// </summary>
internal sealed class ConfigFiles
{
    /// <summary>The largest size of `netif_names`, in bytes.</summary>
    private const int NetifNamesLimit = 65536;

    /// <summary>
    /// The largest size of the whitelist, in bytes: room for more than 60,000 entries. During a reload, two
    /// whitelists and 32,768 holes must fit the daemon's heap of 64 MiB.
    /// </summary>
    private const int WhitelistLimit = 3 << 19;

    private readonly List<(LogLevel Level, string Text)> _remarks = [];

    /// <summary>
    /// The interface names; null if the file has errors: a start then fails, and a reload is refused.
    /// </summary>
    public NetifNames? NetifNames { get; private set; }

    /// <summary>
    /// The valid entries. A start uses them, because a shorter whitelist is safe; a reload is refused if <see
    /// cref="HasErrors"/>.
    /// </summary>
    public Whitelist Whitelist { get; private set; } = Whitelist.Empty;

    /// <summary>
    /// True if a file could not be read for lack of memory or descriptors. Its content may be correct, so
    /// init must start the daemon again. A reload is refused.
    /// </summary>
    public bool IsShort { get; private set; }

    /// <summary>True if there are errors, not only warnings.</summary>
    public bool HasErrors { get; private set; }

    /// <summary>The errors and warnings, in the order of files and lines.</summary>
    public IReadOnlyList<(LogLevel Level, string Text)> Remarks => _remarks;

    /// <summary>Reads the files of a directory.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="runDirectory">The names in its `netif_names` override those of the directory: an init
    /// script that looks up names on the platform writes them there. Null to skip that file.</param>
    /// <param name="withWhitelist">False in firewall-disabled mode, which does not read that file.</param>
    public static ConfigFiles Read(string directory, string? runDirectory, bool withWhitelist)
    {
        ConfigFiles files = new();
        files.ReadNetifNames(Path.Combine(directory, "netif_names"), isOptional: false);
        if (runDirectory is not null && files.NetifNames is not null)
        {
            files.ReadNetifNames(Path.Combine(runDirectory, "netif_names"), isOptional: true);
        }
        if (withWhitelist)
        {
            files.ReadWhitelist(Path.Combine(directory, "whitelist"));
        }
        return files;
    }

    /// <summary>Logs the errors and warnings.</summary>
    /// <param name="log">The log.</param>
    /// <param name="isFatal">True if the errors end the start.</param>
    public void WriteTo(Log log, bool isFatal)
    {
        foreach ((LogLevel level, string text) in _remarks)
        {
            if (level == LogLevel.Error && isFatal)
            {
                log.Fatal(text);
            }
            else if (level == LogLevel.Error)
            {
                log.Error(text);
            }
            else
            {
                log.Warn(text);
            }
        }
    }

    private void ReadNetifNames(string path, bool isOptional)
    {
        string? text = SmallFile.Read(path, NetifNamesLimit, out bool isCut, out int errno);
        if (text is null && errno == Errno.ENOENT)
        {
            if (!isOptional)
            {
                Say(LogLevel.Warn, $"{path}: no such file, using the default names");
                NetifNames = NetifNames.Defaults;
            }
            return;
        }
        if (text is null || isCut)
        {
            IsShort |= Errno.IsShortage(errno);
            string what = isCut ? $"longer than {NetifNamesLimit} bytes" : Errno.Text(errno);
            Say(LogLevel.Error, $"{path}: {what}");
            NetifNames = null;
            return;
        }
        List<Remark> errors = [];
        List<Remark> warnings = [];
        bool isValid = NetifNames.TryParse(text, out NetifNames names, errors, warnings, NetifNames);
        NetifNames = isValid ? names : null;
        Say(path, errors, warnings);
    }

    private void ReadWhitelist(string path)
    {
        byte[]? bytes =
            SmallFile.ReadBytes(path, WhitelistLimit, out int length, out bool isCut, out int errno);
        if (bytes is null || isCut)
        {
            IsShort |= Errno.IsShortage(errno);
            string what = isCut ? $"longer than {WhitelistLimit} bytes" : Errno.Text(errno);
            Say(LogLevel.Error, $"{path}: {what}, the whitelist is empty");
            return;
        }
        List<Remark> errors = [];
        List<Remark> warnings = [];
        Whitelist = WhitelistReader.Read(bytes.AsSpan(0, length), errors, warnings);
        Say(path, errors, warnings);
    }

    /// <summary>Merges both lists in the order of their lines.</summary>
    private void Say(string path, List<Remark> errors, List<Remark> warnings)
    {
        int warned = 0;
        foreach (Remark error in errors)
        {
            for (; warned < warnings.Count && warnings[warned].Line < error.Line; warned++)
            {
                Say(LogLevel.Warn, $"{path}:{warnings[warned].Line}: {warnings[warned].Text}");
            }
            Say(LogLevel.Error, $"{path}:{error.Line}: {error.Text}");
        }
        for (; warned < warnings.Count; warned++)
        {
            Say(LogLevel.Warn, $"{path}:{warnings[warned].Line}: {warnings[warned].Text}");
        }
    }

    private void Say(LogLevel level, string text)
    {
        _remarks.Add((level, text));
        HasErrors |= level == LogLevel.Error;
    }
}
