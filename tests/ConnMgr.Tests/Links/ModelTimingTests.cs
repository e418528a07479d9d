using System.Globalization;
using ConnMgr.Links;

namespace ConnMgr.Tests.Links;

/// <summary>
/// How soon a silent death is found, and what must not look like one, in simulated time.
/// CONNMGR_MODEL_SEEDS sets the number of worlds per scenario.
/// </summary>
public class ModelTimingTests(ITestOutputHelper output)
{
    private static readonly int Seeds =
        int.TryParse(Environment.GetEnvironmentVariable("CONNMGR_MODEL_SEEDS"), out int seeds) ? seeds : 20;

    [Fact]
    public void The_death_of_an_idle_link_is_found_2_seconds_after_the_idle_limit()
    {
        List<double> times = [];
        for (int seed = 0; seed < 4 * Seeds; seed++)
        {
            ModelWorld world = new(seed);
            world.Run(60 + (seed * 0.137));
            world.Eth.Upstream = Upstream.Dead;
            times.Add(Until(world, () => world.InUse == world.WiFi));
        }
        Report("silent death, idle", times);
        Assert.InRange(times.Max(), 0, 18.1);
    }

    /// <summary>Milliseconds between two packets of the application.</summary>
    [Theory]
    [InlineData(20, 60, 2.5, 4)]
    [InlineData(200, 1200, 2.5, 4)]
    [InlineData(1000, 5000, 6, 9.5)] // mostly after a rest
    public void A_death_under_traffic_is_found_soon(int least, int most, double median, double longest) =>
        Dies(Traffic.Talks, least, most, median, longest);

    /// <summary>Milliseconds between an answer and the next packet of the application.</summary>
    [Theory]
    [InlineData(0, 2, 2.5, 4)]
    [InlineData(90, 110, 2.5, 4)]
    public void A_death_under_one_that_waits_for_answers_is_found_soon(
        int least, int most, double median, double longest) =>
        Dies(Traffic.Asks, least, most, median, longest);

    /// <summary>The daemon has just started: no tick has ended, and one round trip was measured.</summary>
    [Theory]
    [InlineData(false, 20, 60)]
    [InlineData(true, 0, 2)]
    [InlineData(true, 90, 110)]
    public void A_death_within_seconds_of_the_start_is_found_soon(bool waits, int least, int most) =>
        Dies(waits ? Traffic.Asks : Traffic.Talks, least, most, 2.5, 4, after: 0.2, step: 0.02);

    private void Dies(
        Traffic traffic, int least, int most, double median, double longest, double after = 60,
        double step = 0.137)
    {
        List<double> times = [];
        for (int seed = 0; seed < 10 * Seeds; seed++)
        {
            ModelWorld world = new(seed) { Traffic = traffic, Pace = (least, most) };
            world.Run(after + (seed * step));
            Assert.Equal(LinkState.Confirmed, world.Eth.Link.State);
            world.Eth.Upstream = Upstream.Dead;
            times.Add(Until(world, () => world.InUse == world.WiFi));
        }
        Report($"silent death under traffic ({traffic}), a packet every {least} to {most} ms", times);
        Assert.InRange(times.Max(), 0, longest);
        Assert.InRange(times.Order().ElementAt(times.Count / 2), 0, median);
    }

    /// <summary>An uplink that fills at once and drains at once, and stays full for 1 to 60 s.</summary>
    [Theory]
    [InlineData(20, 60)]
    [InlineData(200, 1200)]
    [InlineData(1000, 5000)]
    [InlineData(0, 0)]
    public void An_uplink_with_a_queue_of_1500_ms_moves_nobody(int least, int most)
    {
        Quiet("queue of 1.5 s", least, most, (world, random) =>
        {
            bool isFull = random.Next(2) == 0;
            world.Eth.Queue = TimeSpan.FromSeconds(isFull ? 1.5 : 0);
            world.Run(1 + (59 * random.NextDouble()));
        });
    }

    /// <summary>
    /// An uplink whose queue grows within 5 s to 1.5 s, and stays full for up to two minutes. The application
    /// waits for its answers.
    /// </summary>
    [Theory]
    [InlineData(0, 2)]
    [InlineData(90, 110)]
    [InlineData(500, 1500)]
    public void An_uplink_that_fills_moves_nobody(int least, int most)
    {
        Quiet(
            "uplink fills", least, most,
            (world, random) =>
            {
                double filling = 5 * random.NextDouble();
                for (int step = 1; step <= 15; step++)
                {
                    world.Eth.Queue = TimeSpan.FromSeconds(0.1 * step);
                    world.Run(filling / 15);
                }
                world.Run(1 + (119 * random.NextDouble()));
                world.Eth.Queue = TimeSpan.Zero;
                world.Run(1 + (59 * random.NextDouble()));
            },
            (world, _) => world.Traffic = Traffic.Asks);
    }

    [Theory]
    [InlineData(20, 60)]
    [InlineData(200, 1200)]
    [InlineData(1000, 5000)]
    [InlineData(0, 0)]
    public void One_packet_lost_in_five_moves_nobody(int least, int most)
    {
        Quiet("20 % loss", least, most, (world, random) =>
        {
            world.Eth.Loss = random.Next(4) == 0 ? 0 : 0.2;
            world.Run(1 + (59 * random.NextDouble()));
        });
    }

    /// <summary>
    /// The link sleeps after 2.5 to 20 s without a packet and takes 2 s to wake up. The application works in
    /// bursts.
    /// </summary>
    [Theory]
    [InlineData(20, 60)]
    [InlineData(200, 1200)]
    [InlineData(1000, 5000)]
    [InlineData(5000, 40000)]
    [InlineData(0, 0)]
    public void A_link_that_takes_2_seconds_to_wake_up_moves_nobody(int least, int most)
    {
        Quiet(
            "sleeping link", least, most,
            (world, random) =>
            {
                bool isTalking = random.Next(2) == 0 && most > 0;
                world.Traffic = isTalking ? Traffic.Talks : Traffic.None;
                world.Run(60 * random.NextDouble());
            },
            (world, random) =>
            {
                world.Eth.Waking = TimeSpan.FromSeconds(2);
                world.Eth.SleepsAfter = TimeSpan.FromSeconds(2.5 + (17.5 * random.NextDouble()));
            });
    }

    /// <summary>Plays the disturbance for 10 minutes in each world: no link may be left.</summary>
    private void Quiet(string what, int least, int most, Action<ModelWorld, Random> disturb,
        Action<ModelWorld, Random>? begin = null)
    {
        List<int> switched = [];
        int probes = 0;
        for (int seed = 0; seed < Seeds; seed++)
        {
            Random random = new(seed + 1000);
            ModelWorld world = new(seed)
            {
                Traffic = most > 0 ? Traffic.Talks : Traffic.None,
                Pace = most > 0 ? (least, most) : (200, 1200),
            };
            begin?.Invoke(world, random);
            world.Run(5 + (60 * random.NextDouble()));
            TimeSpan end = world.Now + TimeSpan.FromMinutes(10);
            while (world.Now < end)
            {
                disturb(world, random);
            }
            probes += world.Eth.Probes;
            if (world.Switches > 1)
            {
                switched.Add(seed);
                output.WriteLine($"seed {seed}: {string.Join(", ", world.Rules.Decisions)}");
            }
        }
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{what}, {least} to {most} ms: {switched.Count} of {Seeds} switched, {probes / Seeds} probes"));
        Assert.Empty(switched);
    }

    private static double Until(ModelWorld world, Func<bool> isSo)
    {
        TimeSpan start = world.Now;
        while (!isSo() && world.Now - start < TimeSpan.FromMinutes(10))
        {
            world.Run(0.05);
        }
        return (world.Now - start).TotalSeconds;
    }

    private void Report(string what, List<double> times) => output.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"{what}: {times.Min():0.0} / {times.Order().ElementAt(times.Count / 2):0.0} / {times.Max():0.0} s"));
}
