using ConnMgr.Cli;
using ConnMgr.Config;
using ConnMgr.Firewall;
using ConnMgr.Logging;
using ConnMgr.Native;

namespace ConnMgr.App;

/// <summary>
/// The configuration as the files have it, and all that is to be said about them: for the start, for a reload, and for
/// `connmgr check`.
/// </summary>
internal sealed class ConfigFiles
{
    /// <summary>In bytes.</summary>
    private const int NetifNamesLimit = 65536;

    /// <summary>
    /// In bytes; there is no limit on the entries. Room for 60,000 of them and more: during a reload two whitelists
    /// have to fit into the 64 MiB that the daemon allows itself, beside 32,768 holes.
    /// </summary>
    private const int WhitelistLimit = 3 << 19;

    private readonly List<(LogLevel Level, string Text)> _remarks = [];

    /// <summary>Null: the file is in error. A start fails then, a reload is refused.</summary>
    public NetifNames? NetifNames { get; private set; }

    /// <summary>
    /// What can be read of it; a shorter whitelist is the safe side. A reload is refused if it
    /// <see cref="HasErrors"/>.
    /// </summary>
    public Whitelist Whitelist { get; private set; } = Whitelist.Empty;

    /// <summary>There is something wrong, not just odd.</summary>
    public bool HasErrors { get; private set; }

    /// <summary>What there is to say, in the order of files and lines.</summary>
    public IReadOnlyList<(LogLevel Level, string Text)> Remarks => _remarks;

    /// <summary>Reads the files of a directory.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="withWhitelist">False in firewall-disabled mode: then that file is not even looked at.</param>
    public static ConfigFiles Read(string directory, bool withWhitelist)
    {
        ConfigFiles files = new();
        files.ReadNetifNames(Path.Combine(directory, "netif_names"));
        if (withWhitelist)
        {
            files.ReadWhitelist(Path.Combine(directory, "whitelist"));
        }
        return files;
    }

    /// <summary>`connmgr check`.</summary>
    public static ExitCode Check(string directory)
    {
        ConfigFiles files = Read(directory, withWhitelist: true);
        foreach ((LogLevel level, string text) in files._remarks)
        {
            Console.Out.WriteLine(level == LogLevel.Warn ? $"{text} (warning)" : text);
        }
        if (files.HasErrors)
        {
            return ExitCode.Config;
        }
        Console.Out.WriteLine(
            $"{directory}: good; the whitelist has {files.Whitelist.Count} entries: {files.Whitelist.NameCount} names, "
            + $"{files.Whitelist.LiteralCount} addresses and prefixes");
        return ExitCode.Ok;
    }

    public void WriteTo(Log log)
    {
        foreach ((LogLevel level, string text) in _remarks)
        {
            if (level == LogLevel.Error)
            {
                log.Error(text);
            }
            else
            {
                log.Warn(text);
            }
        }
    }

    private void ReadNetifNames(string path)
    {
        string? text = SmallFile.Read(path, NetifNamesLimit, out bool isCut, out int errno);
        if (text is null && errno == Errno.ENOENT)
        {
            Say(LogLevel.Warn, $"{path}: no such file, using the default names");
            NetifNames = NetifNames.Defaults;
            return;
        }
        if (text is null || isCut)
        {
            Say(LogLevel.Error, $"{path}: {(isCut ? $"longer than {NetifNamesLimit} bytes" : Errno.Text(errno))}");
            return;
        }
        List<Remark> errors = [];
        List<Remark> warnings = [];
        NetifNames = NetifNames.TryParse(text, out NetifNames names, errors, warnings) ? names : null;
        Say(path, errors, warnings);
    }

    private void ReadWhitelist(string path)
    {
        byte[]? bytes = SmallFile.ReadBytes(path, WhitelistLimit, out int length, out bool isCut, out int errno);
        if (bytes is null || isCut)
        {
            string what = isCut ? $"longer than {WhitelistLimit} bytes" : Errno.Text(errno);
            Say(LogLevel.Error, $"{path}: {what}, so nothing is whitelisted");
            return;
        }
        List<Remark> errors = [];
        List<Remark> warnings = [];
        Whitelist = WhitelistReader.Read(bytes.AsSpan(0, length), errors, warnings);
        Say(path, errors, warnings);
    }

    /// <summary>In the order of the lines; both lists are.</summary>
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
