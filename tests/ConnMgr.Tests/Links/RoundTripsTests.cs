using ConnMgr.Links;

namespace ConnMgr.Tests.Links;

public class RoundTripsTests
{
    private readonly RoundTrips _trips = new();
    private double _now = 100;

    [Fact]
    public void Without_a_sample_nothing_is_known()
    {
        Assert.Null(_trips.Timeout);
        _trips.SeeSent(At(_now));
        Assert.Null(_trips.Timeout);
        _trips.SeeEvidence(At(_now + 0.03));
        Assert.Null(_trips.TimeoutAt(At(_now + 1))); // nothing is known of the busy link
    }

    [Fact]
    public void A_busy_link_is_measured_as_in_RFC_6298()
    {
        Busy(0.2);
        Assert.Equal(0.2, _trips.Smoothed!.Value.TotalSeconds, 3);
        Assert.Equal(0.6, Timeout(), 3); // R + 4 * R/2
        Busy(0.2, times: 200);
        Assert.Equal(0.3, Timeout(), 3); // and the granularity
    }

    [Fact]
    public void A_slow_answer_counts_at_once_and_is_forgotten_slowly()
    {
        Busy(0.03, times: 100);
        Assert.InRange(Timeout(), 0.1, 0.2);
        Busy(1.5);
        Assert.InRange(Timeout(), 1.5, 2);
        Busy(0.03, times: 5);
        Assert.InRange(Timeout(), 1, 2);
        Busy(0.03, times: 100);
        Assert.InRange(Timeout(), 0.1, 0.2);
    }

    [Fact]
    public void A_link_that_has_rested_is_not_measured()
    {
        Busy(0.03, times: 20);
        Assert.NotNull(_trips.TimeoutAt(At(_now + 2.2)));
        Assert.Null(_trips.TimeoutAt(At(_now + 2.3)));
        _trips.SeeSent(At(_now + 10));
        Assert.Null(_trips.Timeout);
        _trips.SeeEvidence(At(_now + 12)); // it was asleep
        Assert.InRange(_trips.TimeoutAt(At(_now + 12.1))!.Value.TotalSeconds, 0.1, 0.2);
    }

    [Fact]
    public void A_packet_right_after_the_one_that_wakes_the_link_proves_no_short_rest()
    {
        Busy(0.03, times: 20);
        _trips.SeeSent(At(_now + 10)); // of the application
        _trips.SeeSent(At(_now + 10.4)); // of a probe
        Assert.Null(_trips.Timeout);
        Assert.Null(_trips.TimeoutAt(At(_now + 10.5)));
        _trips.OnProbeEnded(1.6.Seconds(), At(_now + 12));
        Assert.InRange(_trips.TimeoutAt(At(_now + 12.1))!.Value.TotalSeconds, 0.1, 0.2);
    }

    [Fact]
    public void The_samples_of_probes_count_while_the_link_is_busy()
    {
        Busy(0.03, times: 20);
        _trips.SeeSent(At(_now + 1));
        _trips.OnProbeEnded(1.5.Seconds(), At(_now + 3));
        Assert.InRange(_trips.TimeoutAt(At(_now + 3))!.Value.TotalSeconds, 1.5, 2);
    }

    private double Timeout() => _trips.TimeoutAt(At(_now))!.Value.TotalSeconds;

    private void Busy(double seconds, int times = 1)
    {
        _trips.SeeEvidence(At(_now));
        for (int i = 0; i < times; i++)
        {
            _trips.SeeSent(At(_now + 0.5));
            _now += 0.5 + seconds;
            _trips.SeeEvidence(At(_now));
        }
    }

    private static TimeSpan At(double seconds) => TimeSpan.FromSeconds(seconds);
}

file static class Doubles
{
    public static TimeSpan Seconds(this double seconds) => TimeSpan.FromSeconds(seconds);
}
