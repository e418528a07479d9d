using ConnMgr.EventLoop;
using Tmds.Linux;

namespace ConnMgr.Tests.EventLoop;

public sealed class LoopTests : IDisposable
{
    private readonly Loop _loop = new();

    public void Dispose() => _loop.Dispose();

    [Fact]
    public unsafe void An_event_already_fetched_does_not_reach_the_next_owner_of_a_descriptors_number()
    {
        int* first = stackalloc int[2];
        int* second = stackalloc int[2];
        Assert.Equal(0, LibC.pipe(first));
        Assert.Equal(0, LibC.pipe(second));
        List<string> heard = [];
        ulong[] tokens = new ulong[2];
        int[] numbers = [first[0], second[0]];
        // The handler that runs first closes the other descriptor, and a new one takes over its number.
        for (int i = 0; i < 2; i++)
        {
            int other = 1 - i;
            tokens[i] = _loop.Add(numbers[i], () =>
            {
                heard.Add("pipe");
                _loop.Remove(numbers[other], tokens[other]);
                int reused = LibC.dup2(numbers[0] == numbers[other] ? second[0] : first[0], numbers[other]);
                Assert.Equal(numbers[other], reused);
                _loop.Add(reused, () => heard.Add("stranger"));
                _loop.Stop();
            });
        }
        byte data = 1;
        _ = LibC.write(first[1], &data, 1);
        _ = LibC.write(second[1], &data, 1);
        _loop.Run(() => { });
        Assert.Equal(["pipe"], heard);
    }

    [Fact]
    public void Deadlines_expire_in_time_and_a_cleared_or_moved_one_does_not()
    {
        List<string> expired = [];
        Deadline moved = _loop.AddTimer(() => expired.Add("moved"));
        Deadline cleared = null!;
        Deadline first = _loop.AddTimer(() =>
        {
            expired.Add("first");
            cleared.Clear();
        });
        // Due after the timer that clears it: on a busy machine both may be due at once.
        cleared = _loop.AddTimer(() => expired.Add("cleared"));
        Deadline last = _loop.AddTimer(() =>
        {
            expired.Add("last");
            _loop.Stop();
        });
        TimeSpan begin = Now();
        moved.Set(begin + TimeSpan.FromMilliseconds(5));
        moved.Set(begin + TimeSpan.FromHours(1));
        first.Set(begin + TimeSpan.FromMilliseconds(10));
        cleared.Set(begin + TimeSpan.FromMilliseconds(20));
        last.Set(begin + TimeSpan.FromMilliseconds(30));
        _loop.Run(() => { });
        Assert.Equal(["first", "last"], expired);
        Assert.True(Now() - begin >= TimeSpan.FromMilliseconds(30));
    }

    [Fact]
    public void A_deadline_in_the_past_expires_at_once()
    {
        _loop.AddTimer(_loop.Stop).Set(TimeSpan.Zero);
        _loop.Run(() => { });
        Assert.Equal(1, _loop.WakeUps);
    }

    private static TimeSpan Now() => TimeProvider.System.GetElapsedTime(0);
}
