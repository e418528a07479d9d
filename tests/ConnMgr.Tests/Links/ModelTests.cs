using ConnMgr.Config;
using CsCheck;

namespace ConnMgr.Tests.Links;

/// <summary>
/// Runs the real state machine, selection and route guard against naive rules, over random schedules in
/// simulated time. CONNMGR_MODEL_STEPS sets the number of wake-ups. CsCheck prints the shortest schedule that
/// fails: add it to the ones below.
/// </summary>
public class ModelTests(ITestOutputHelper output)
{
    private static readonly long Wanted =
        long.TryParse(Environment.GetEnvironmentVariable("CONNMGR_MODEL_STEPS"), out long steps)
        ? steps : 300_000;

    /// <summary>
    /// One link alone, several of a kind, a metered one before unmetered ones, and as many as 16.
    /// </summary>
    [Theory]
    [InlineData("")]
    [InlineData("ETH_INTERFACE_0=''\nWAN_INTERFACE_0=''")]
    [InlineData("ETH_INTERFACE_0=''\nWIFISTA_INTERFACE_0=''")]
    [InlineData("WIFISTA_INTERFACE_0=''")]
    [InlineData("ETH_INTERFACE_0=''\nWIFISTA_INTERFACE_0=''\nWAN_INTERFACE_1='wwan1'")]
    [InlineData("METERED='wlan0'\nUNMETERED='wwan0'\nPREFER='wlan0 wwan0 eth0'")]
    [InlineData(
        "ETH_INTERFACE_1='eth1'\nETH_INTERFACE_2='eth2'\nWIFISTA_INTERFACE_1='wlan1'\n"
        + "WAN_INTERFACE_1='wwan1'\nWAN_INTERFACE_2='ppp0'\nPREFER='wwan1 eth2'")]
    [InlineData(
        "ETH_INTERFACE_1='eth1'\nETH_INTERFACE_2='eth2'\nETH_INTERFACE_3='eth3'\nETH_INTERFACE_9='eth9'\n"
        + "WIFISTA_INTERFACE_1='wlan1'\nWIFISTA_INTERFACE_2='wlan2'\nWIFISTA_INTERFACE_3='wlan3'\n"
        + "WIFISTA_INTERFACE_4='wlan4'\nWAN_INTERFACE_1='wwan1'\nWAN_INTERFACE_2='wwan2'\n"
        + "WAN_INTERFACE_3='wwan3'\nWAN_INTERFACE_4='wwan4'\nWAN_INTERFACE_5='wwan5'\nMETERED='eth1 wlan2'")]
    public void No_schedule_breaks_a_rule(string file)
    {
        Assert.True(NetifNames.TryParse(file, out NetifNames names, [], []));
        long wanted = file.Length == 0 ? Wanted : Wanted / 10;
        long steps = 0;
        int schedules = 0;
        double longest = 0;
        while (steps < wanted)
        {
            ModelSchedule.World.Sample(
                schedule =>
                {
                    (ModelWorld world, double healed) =
                        ModelSchedule.Run(schedule.Seed, schedule.Events, names.Links);
                    steps += world.Steps;
                    schedules++;
                    longest = Math.Max(longest, healed);
                },
                iter: 100,
                threads: 1,
                print: Print);
        }
        output.WriteLine(
            $"{names.Links.Count} links: {schedules} schedules, {steps} wake-ups, "
            + $"healed after {longest} s at most");
    }

    /// <summary>
    /// Each schedule once violated a rule. It has the shortest form that CsCheck found; its comment says what
    /// was wrong.
    /// </summary>
    [Fact]
    public void No_schedule_that_is_kept_breaks_a_rule()
    {
        // The selection without the hold of rule 4.
        ModelSchedule.Run(
            62,
            [new(4779, Happening.DeviceComes, 2, 0), new(3401, Happening.CarrierLost, 0, 2),
                new(275, Happening.Loss, 1, 2)]);
    }

    [Fact]
    public void No_outage_of_the_echo_service_or_of_the_ping_target_moves_anybody() =>
        ModelSchedule.Outages.Sample(
            schedule => ModelSchedule.RunOutages(schedule.Seed, schedule.Events),
            iter: Math.Max(100, Wanted / 4000),
            threads: 1,
            print: Print);

    private static string Print((int Seed, Event[] Events) schedule) =>
        $"{schedule.Seed}, [{string.Join(", ", schedule.Events)}]";
}
