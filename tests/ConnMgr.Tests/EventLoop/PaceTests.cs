using ConnMgr.EventLoop;

namespace ConnMgr.Tests.EventLoop;

public class PaceTests
{
    [Fact]
    public void What_is_rare_is_done_at_once_and_what_never_ends_evenly()
    {
        Pace pace = new(burst: 3, TimeSpan.FromSeconds(1));
        Assert.True(pace.TryTake(At(100)));
        Assert.True(pace.TryTake(At(100)));
        Assert.True(pace.TryTake(At(100)));
        Assert.False(pace.TryTake(At(100)));
        Assert.Equal(At(101), pace.NextAt);
        Assert.False(pace.TryTake(At(100.9)));
        Assert.True(pace.TryTake(At(101)));
        Assert.False(pace.TryTake(At(101)));
        Assert.True(pace.TryTake(At(102)));
        Assert.True(pace.TryTake(At(110))); // as far apart as at first
        Assert.True(pace.TryTake(At(110)));
        Assert.True(pace.TryTake(At(110)));
        Assert.False(pace.TryTake(At(110)));
    }

    [Fact]
    public void What_has_run_anyway_delays_the_next_but_not_for_ever()
    {
        Pace pace = new(burst: 10, TimeSpan.FromSeconds(1));
        pace.Take(At(100), 9, At(5));
        Assert.True(pace.NextAt <= At(100));
        pace.Take(At(100), 4, At(5));
        Assert.Equal(At(104), pace.NextAt);
        pace.Take(At(100), 1_000, At(5));
        Assert.Equal(At(105), pace.NextAt);
        pace.Take(At(104), 1_000, At(5));
        Assert.Equal(At(109), pace.NextAt);
        pace.Take(At(200), 0, At(5));
        Assert.True(pace.NextAt <= At(200));
    }

    private static TimeSpan At(double seconds) => TimeSpan.FromSeconds(seconds);
}
