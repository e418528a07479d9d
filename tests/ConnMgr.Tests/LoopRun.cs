using System.Diagnostics;
using ConnMgr.EventLoop;

namespace ConnMgr.Tests;

/// <summary>Runs a <see cref="Loop"/> until a test has seen what it waits for.</summary>
internal static class LoopRun
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);

    /// <summary>
    /// Runs the loop until the condition holds. Tests it after each batch of events, and every 20 ms. Throws
    /// after a minute of real time, whatever the loop's clock says.
    /// </summary>
    /// <param name="loop">The loop; it can run again afterwards.</param>
    /// <param name="isDone">The condition. It may also do what the daemon does after each batch.</param>
    public static void Until(Loop loop, Func<bool> isDone)
    {
        long startedAt = Stopwatch.GetTimestamp();
        using Deadline poll = loop.AddTimer(() => { });
        try
        {
            loop.Run(() =>
            {
                if (isDone())
                {
                    throw new OperationCanceledException(); // Loop.Stop would end the next run, too
                }
                if (Stopwatch.GetElapsedTime(startedAt) > Limit)
                {
                    throw new TimeoutException();
                }
                poll.Set(loop.Now + Poll);
            });
        }
        catch (OperationCanceledException)
        {
        }
    }

    /// <summary>
    /// Runs the loop for five batches of events, or of 20 ms without any: what was to happen at once has
    /// happened.
    /// </summary>
    public static void Rounds(Loop loop)
    {
        int rounds = 0;
        Until(loop, () => ++rounds > 5);
    }
}

/// <summary>The system's monotonic time plus an offset that a test sets, so that it need not wait.</summary>
internal sealed class SkewedTime : TimeProvider
{
    private long? _stopped;

    public TimeSpan Skew { get; set; }

    /// <summary>
    /// Lets only <see cref="Skew"/> move the time from now on. A test that expects something not to have
    /// happened yet needs this, because a busy machine may take any time between two lines.
    /// </summary>
    public void Stop() => _stopped ??= Stopwatch.GetTimestamp();

    public override long GetTimestamp() => (_stopped ?? Stopwatch.GetTimestamp())
        + (Skew.Ticks * (Stopwatch.Frequency / TimeSpan.TicksPerSecond));
}
