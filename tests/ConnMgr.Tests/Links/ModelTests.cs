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

    [Fact]
    public void No_schedule_breaks_a_rule()
    {
        long steps = 0;
        int schedules = 0;
        double longest = 0;
        while (steps < Wanted)
        {
            ModelSchedule.World.Sample(
                schedule =>
                {
                    (ModelWorld world, double healed) = ModelSchedule.Run(schedule.Seed, schedule.Events);
                    steps += world.Steps;
                    schedules++;
                    longest = Math.Max(longest, healed);
                },
                iter: 100,
                threads: 1,
                print: Print);
        }
        output.WriteLine($"{schedules} schedules, {steps} wake-ups, healed after {longest} s at most");
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
