using ConnMgr.EventLoop;

namespace ConnMgr.Scripts;

/// <summary>
/// Runs scripts one at a time. While one runs, one more may wait; a newer request replaces the waiting one.
/// </summary>
/// <param name="loop">Reports the end of a script.</param>
/// <param name="environment">The environment of the scripts, as `NAME=value`.</param>
internal sealed class ScriptLane(Loop loop, IReadOnlyList<string> environment) : IDisposable
{
    private Child? _running;
    private (string[] Argv, Action<ChildExit> Exited, ChildOutput? Listener)? _waiting;

    /// <summary>A script that is started from now on is killed after this time: 10 s.</summary>
    public TimeSpan Limit { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>True while a script runs or waits.</summary>
    public bool IsBusy => _running is not null || _waiting is not null;

    /// <summary>
    /// Runs <paramref name="argv"/> now, or as soon as the running script has ended. Calls <paramref
    /// name="exited"/> when it has ended or could not be started, but not if a newer request replaces it
    /// before it starts. <paramref name="listener"/>, if not null, receives all of its output.
    /// </summary>
    public void Run(string[] argv, Action<ChildExit> exited, ChildOutput? listener = null)
    {
        if (_running is not null)
        {
            _waiting = (argv, exited, listener);
            return;
        }

        _waiting = null; // an older request must not run after this one
        _running = Child.Start(
            loop, Limit, argv, environment,
            exit =>
            {
                _running = null;
                exited(exit);
                RunWaiting();
            },
            out string? failure, listener);
        if (failure is not null)
        {
            exited(new ChildExit(-1, $"cannot run '{argv[0]}': {failure}", ""));
            RunWaiting();
        }
    }

    /// <summary>Drops the script that waits for the running one.</summary>
    public void DropWaiting() => _waiting = null;

    private void RunWaiting()
    {
        if (_running is null && _waiting is { } next)
        {
            _waiting = null;
            Run(next.Argv, next.Exited, next.Listener);
        }
    }

    public void Dispose() => _running?.Dispose();
}
