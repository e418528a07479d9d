using ConnMgr.Config;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Scripts;
using Tmds.Linux;

namespace ConnMgr.Firewall;

/// <summary>
/// Runs flush_dns.sh once after each start of the daemon: it makes the caches of the device's name servers
/// forget the answers that the daemon has not seen. Never blocks; a failure is only logged.
/// </summary>
/// <remarks>
/// The script starts before the daemon gives up its capabilities, because it sends signals to processes of
/// other users. It waits for its input: a line is the order to flush; the end of the daemon ends it.
/// </remarks>
internal sealed class CacheRunner : IDisposable
{
    private const string Script = "flush_dns.sh";

    // A name server walks through all of its cache.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Unlimited = TimeSpan.FromDays(365);

    private readonly Log _log;
    private Child? _child;
    private int _order = -1; // the end of the pipe to which the order is written

    /// <summary>
    /// Starts the script, which waits. Does nothing if there is none: an implementer's directory of scripts
    /// may be older.
    /// </summary>
    /// <param name="loop">Reports the script's end.</param>
    /// <param name="log">Receives what was flushed.</param>
    /// <param name="options">The script's path.</param>
    /// <param name="names">The device names, for the script's environment.</param>
    public unsafe CacheRunner(Loop loop, Log log, Options options, NetifNames names)
    {
        _log = log;
        string path = Path.Combine(options.ScriptDirectory, Script);
        if (!File.Exists(path))
        {
            return;
        }
        int* ends = stackalloc int[2];
        if (LibC.pipe2(ends, LibC.O_CLOEXEC) < 0)
        {
            Fail(Errno.Text(Errno.Last));
            return;
        }
        _order = ends[1];
        _child = Child.Start(
            loop, Unlimited, [path, "--wait"], ScriptEnvironment.Of(options, names), OnEnded,
            out string? failure, input: ends[0]);
        _ = LibC.close(ends[0]);
        if (failure is not null)
        {
            Fail(failure);
        }
    }

    /// <summary>True while the script flushes.</summary>
    public bool IsBusy => _child is not null && _order < 0;

    /// <summary>
    /// Lets the script flush, at the first call. Call it once every answer from now on is seen.
    /// </summary>
    public unsafe void RunOnce()
    {
        if (_order < 0)
        {
            return;
        }
        _child?.LimitTo(Limit);
        byte line = (byte)'\n';
        _ = LibC.write(_order, &line, 1); // one that has ended has reported it
        CloseOrder();
    }

    private void OnEnded(ChildExit exit)
    {
        _child = null;
        string said = exit.Output.TrimEnd();
        if (exit.Failure is { } failure)
        {
            Fail(said.Length > 0 ? $"{failure}, saying {ForeignText.Quote(said)}" : failure);
        }
        else if (said.Length > 0)
        {
            _log.Event(EventKind.Firewall, $"{Script}: {ForeignText.Quote(said)}");
        }
    }

    private void Fail(string reason) =>
        _log.Event(EventFacts.Failed(EventKind.Firewall, Script, reason), LogLevel.Warn);

    private void CloseOrder()
    {
        if (_order >= 0)
        {
            _ = LibC.close(_order);
            _order = -1;
        }
    }

    /// <summary>Ends a script that waits, and releases one that flushes. It is not killed.</summary>
    public void Dispose()
    {
        CloseOrder();
        _child?.Dispose();
    }
}
