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

    private static TimeSpan At(double seconds) => TimeSpan.FromSeconds(seconds);
}
