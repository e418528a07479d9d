using ConnMgr.Links;

namespace ConnMgr.Tests.Links;

public class FailureHistoryTests
{
    private readonly FailureHistory _failures = new();

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(1, 10, 0)]
    [InlineData(2, 20, 10)]
    [InlineData(3, 40, 20)]
    [InlineData(6, 300, 160)]
    [InlineData(7, 300, 300)]
    [InlineData(50, 300, 300)]
    public void Each_further_failure_doubles_the_waits(int count, int hold, int meteredWait)
    {
        Fail(count);
        Assert.Equal(TimeSpan.FromSeconds(hold), _failures.Hold(At(60)));
        Assert.Equal(TimeSpan.FromSeconds(meteredWait), _failures.MeteredWait(At(60)));
    }

    [Fact]
    public void The_hold_ends_ten_minutes_after_the_last_failure_the_metered_wait_after_an_hour()
    {
        Fail(3);
        Assert.True(_failures.Hold(At(601)) > TimeSpan.Zero);
        Assert.Equal(TimeSpan.Zero, _failures.Hold(At(602)));
        Assert.Equal(TimeSpan.FromSeconds(20), _failures.MeteredWait(At(3599)));
        Assert.Equal(TimeSpan.FromSeconds(10), _failures.MeteredWait(At(3600)));
        Assert.Equal(TimeSpan.Zero, _failures.MeteredWait(At(3601)));
    }

    [Fact]
    public void The_next_change_is_when_a_wait_gets_shorter()
    {
        Assert.Equal(TimeSpan.MaxValue, _failures.NextChange(At(0)));
        Fail(3); // at 0, 1 and 2 s
        Assert.Equal(At(602), _failures.NextChange(At(3)));
        Assert.Equal(At(3600), _failures.NextChange(At(602)));
        Assert.Equal(At(3601), _failures.NextChange(At(3600)));
        Assert.Equal(At(3602), _failures.NextChange(At(3601)));
        Assert.Equal(TimeSpan.MaxValue, _failures.NextChange(At(3602)));
    }

    private void Fail(int count)
    {
        for (int i = 0; i < count; i++)
        {
            _failures.Add(At(i));
        }
    }

    private static TimeSpan At(double seconds) => TimeSpan.FromSeconds(seconds);
}
