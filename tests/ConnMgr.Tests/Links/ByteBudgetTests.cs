using ConnMgr.Links;

namespace ConnMgr.Tests.Links;

/// <summary>What is counted, when a period ends, and what the file survives.</summary>
public class ByteBudgetTests
{
    private const int Device = 5;

    private static readonly DateTime November = Utc(2026, 11, 20);

    private readonly BudgetAccount _account = new("WAN_0", "wwan0");

    private static DateTime Utc(int year, int month, int day, int hour = 12) =>
        new(year, month, day, hour, 0, 0, DateTimeKind.Utc);

    private ByteBudget Open(bool isNew = false, int day = 1) =>
        new(_account, isNew) { Limit = 1000, Day = day };

    // -- counting -------------------------------------------------------------------------------------------

    [Fact]
    public void What_the_kernel_had_counted_before_the_budget_was_set_does_not_count()
    {
        ByteBudget budget = Open(isNew: true);
        budget.Count(Device, 5_000_000);
        Assert.Equal(0, budget.Used);
        budget.Count(Device, 5_000_300);
        Assert.Equal(300, budget.Used);
    }

    [Fact]
    public void A_device_that_is_made_again_counts_from_zero_and_nothing_is_lost()
    {
        ByteBudget budget = Open(isNew: true);
        budget.Count(0, 0); // the modem is not there yet
        budget.Count(Device, 100);
        budget.Count(0, 0);
        budget.Count(Device + 1, 50);
        budget.Count(Device + 1, 80);
        Assert.Equal(180, budget.Used);
    }

    [Fact]
    public void A_counter_that_starts_anew_is_added_and_one_that_steps_back_a_little_is_not()
    {
        ByteBudget budget = Open(isNew: true);
        budget.Count(0, 0);
        budget.Count(Device, 1_000_000);
        budget.Count(Device, 999_990);
        Assert.Equal(1_000_000, budget.Used);
        budget.Count(Device, 1_000_010);
        Assert.Equal(1_000_010, budget.Used);
        budget.Count(Device, 70);
        budget.Count(Device, 80);
        Assert.Equal(1_000_090, budget.Used);
    }

    [Fact]
    public void Another_interface_under_the_same_key_begins_where_its_counter_is()
    {
        ByteBudget budget = Open(isNew: true);
        budget.Count(0, 0);
        budget.Count(Device, 100);
        budget.Name = "usb0";
        budget.Count(9, 7_000_000);
        budget.Count(9, 7_000_005);
        Assert.Equal(105, budget.Used);
    }

    [Theory]
    [InlineData(0, BudgetLevel.Low, 0), InlineData(799, BudgetLevel.Low, 79)]
    [InlineData(800, BudgetLevel.Near, 80), InlineData(999, BudgetLevel.Near, 99)]
    [InlineData(1000, BudgetLevel.Over, 100), InlineData(long.MaxValue / 8, BudgetLevel.Over, null)]
    public void It_warns_at_80_percent(long used, object level, int? percent)
    {
        _account.Used = used;
        Assert.Equal((BudgetLevel)level, Open().Level);
        Assert.Equal(percent ?? Open().Percent, Open().Percent);
    }

    [Fact]
    public void It_is_worth_a_write_per_thousandth_of_the_budget_or_per_hour()
    {
        ByteBudget budget = Open();
        budget.Limit = 1_000_000;
        budget.Count(Device, 10);
        Assert.False(budget.IsWorthSaving(TimeSpan.FromMinutes(59)));
        Assert.True(budget.IsWorthSaving(TimeSpan.FromHours(1)));
        budget.Count(Device, 1011);
        Assert.True(budget.IsWorthSaving(TimeSpan.Zero));
        budget.OnSaved();
        Assert.False(budget.IsWorthSaving(TimeSpan.MaxValue));
        budget.Advance(November, isSynced: true, isSteady: true);
        Assert.True(budget.IsWorthSaving(TimeSpan.Zero)); // the end of the period
    }

    // -- periods --------------------------------------------------------------------------------------------

    [Theory]
    [InlineData("2026-11-20", 1, "2026-12-01"), InlineData("2026-11-20", 21, "2026-11-21")]
    [InlineData("2026-11-20", 20, "2026-12-20"), InlineData("2026-12-31", 31, "2027-01-31")]
    [InlineData("2027-01-31", 31, "2027-02-28"), InlineData("2028-02-10", 30, "2028-02-29")]
    [InlineData("2027-02-28", 29, "2027-03-29"), InlineData("2026-12-05", 1, "2027-01-01")]
    [InlineData("1970-01-01", 1, "1970-02-01"), InlineData("9999-12-31", 31, "9999-12-31")]
    public void A_period_ends_on_its_day_or_the_last_of_a_shorter_month(string now, int day, string end)
    {
        DateTime wall = DateTime.SpecifyKind(
            DateTime.Parse(now, System.Globalization.CultureInfo.InvariantCulture), DateTimeKind.Utc);
        DateTime found = BudgetPeriod.EndAfter(wall, day);
        Assert.Equal(end, BudgetPeriod.Words(found));
        Assert.True(wall.Year == 9999 || BudgetPeriod.IsEnd(found, day));
    }

    [Fact]
    public void The_budget_begins_anew_once_in_the_night_of_its_day()
    {
        ByteBudget budget = Open();
        budget.Count(Device, 900);
        Assert.Null(budget.Advance(Utc(2026, 11, 30, 23), isSynced: true, isSteady: true));
        Assert.Equal(Utc(2026, 12, 1, 0), _account.Until);
        budget.Count(Device, 950);
        Assert.NotNull(budget.Advance(Utc(2026, 12, 1, 0), isSynced: true, isSteady: true));
        Assert.Equal((50, 950), (budget.Used, _account.Before)); // the last bytes may be of either month
        Assert.Null(budget.Advance(Utc(2026, 12, 1, 1), isSynced: true, isSteady: true));
        Assert.Equal(Utc(2027, 1, 1, 0), _account.Until);
    }

    /// <summary>A device without a battery starts in 1970 or months back, until NTP sets its clock.</summary>
    [Theory]
    [InlineData(1970), InlineData(2026), InlineData(2001)]
    public void A_clock_that_is_behind_changes_nothing(int year)
    {
        (_account.Used, _account.Until, _account.IsFirm) = (700, Utc(2026, 12, 1, 0), true);
        ByteBudget budget = Open();
        budget.Count(Device, 100);
        foreach ((bool isSteady, int month) in ((bool, int)[])[(false, 1), (true, 1), (true, 6), (false, 3)])
        {
            Assert.Null(budget.Advance(Utc(year, month, 2), isSynced: false, isSteady));
        }
        Assert.Equal((800, Utc(2026, 12, 1, 0)), (budget.Used, _account.Until));
        Assert.Null(budget.Advance(November, isSynced: true, isSteady: false));
        Assert.Equal(800, budget.Used);
    }

    [Fact]
    public void What_was_used_since_the_start_belongs_to_the_new_month_if_the_clock_is_set_later()
    {
        (_account.Used, _account.Until, _account.IsFirm) = (700, Utc(2026, 12, 1, 0), true);
        ByteBudget budget = Open();
        budget.Count(Device, 100);
        Assert.Null(budget.Advance(Utc(1970, 1, 1), isSynced: false, isSteady: true));
        budget.Count(Device, 130);
        Assert.NotNull(budget.Advance(Utc(2026, 12, 24), isSynced: true, isSteady: false));
        Assert.Equal((130, 830), (budget.Used, _account.Before));
    }

    [Fact]
    public void A_first_start_with_a_wrong_clock_loses_nothing_when_it_is_set()
    {
        ByteBudget budget = Open(isNew: true);
        budget.Count(0, 0);
        budget.Count(Device, 400);
        budget.Advance(Utc(1970, 1, 1), isSynced: false, isSteady: true);
        Assert.Null(_account.Until);
        budget.Advance(Utc(2026, 6, 1), isSynced: false, isSteady: true); // as the image was made
        Assert.Equal(Utc(2026, 7, 1, 0), _account.Until);
        budget.Count(Device, 500);
        Assert.Null(budget.Advance(November, isSynced: true, isSteady: false));
        Assert.Equal((500, Utc(2026, 12, 1, 0)), (budget.Used, _account.Until));
    }

    [Fact]
    public void A_clock_that_nobody_synchronises_is_believed_after_a_rest()
    {
        (_account.Used, _account.Until) = (700, Utc(2026, 12, 1, 0));
        ByteBudget budget = Open();
        Assert.Null(budget.Advance(Utc(2026, 12, 2), isSynced: false, isSteady: false));
        Assert.NotNull(budget.Advance(Utc(2026, 12, 2), isSynced: false, isSteady: true));
        Assert.Equal(0, budget.Used);
    }

    [Fact]
    public void A_clock_that_was_ahead_gives_the_month_back()
    {
        (_account.Used, _account.Until, _account.IsFirm) = (700, Utc(2026, 12, 1, 0), true);
        ByteBudget budget = Open();
        Assert.NotNull(budget.Advance(Utc(2099, 1, 1), isSynced: false, isSteady: true));
        budget.Count(Device, 40);
        Assert.Null(budget.Advance(November, isSynced: false, isSteady: true));
        Assert.Equal(40, budget.Used);
        Assert.NotNull(budget.Advance(November, isSynced: true, isSteady: false));
        Assert.Equal((740, Utc(2026, 12, 1, 0), 0), (budget.Used, _account.Until, _account.Before));
    }

    [Theory]
    [InlineData(15, 12, 15), InlineData(25, 11, 25)]
    public void Another_day_moves_the_end_and_keeps_what_was_used(int day, int endMonth, int endDay)
    {
        (_account.Used, _account.Before, _account.Until) = (700, 90, Utc(2026, 12, 1, 0));
        ByteBudget budget = Open(day: day);
        Assert.Null(budget.Advance(November, isSynced: true, isSteady: true));
        Assert.Equal((700, Utc(2026, endMonth, endDay, 0)), (budget.Used, _account.Until));
    }

    [Fact]
    public void The_clock_is_steady_if_it_was_not_set_for_ten_minutes()
    {
        SteadyClock clock = new();
        bool At(double minutes, DateTime wall)
        {
            clock.Observe(wall, TimeSpan.FromMinutes(minutes));
            return clock.IsSteady;
        }
        Assert.False(At(5, November));
        Assert.False(At(14, November.AddMinutes(9)));
        Assert.True(At(15, November.AddMinutes(10.5)));
        Assert.False(At(16, November.AddDays(10)));
        Assert.False(At(25, November.AddDays(10).AddMinutes(9)));
        Assert.True(At(26, November.AddDays(10).AddMinutes(10)));
        Assert.False(At(27, DateTime.UnixEpoch));
    }

    /// <summary>
    /// However a device is restarted, its clock set and its counters reset, nothing is counted twice, and
    /// while the month does not change, nothing is lost.
    /// </summary>
    [Fact]
    public void Nothing_is_lost_or_counted_twice_within_a_month()
    {
        for (int seed = 0; seed < 2000; seed++)
        {
            Random random = new(seed);
            BudgetAccount account = new("WAN_0", "wwan0");
            ByteBudget budget = new(account, isNew: true) { Limit = 1_000_000, Day = 1 + random.Next(31) };
            DateTime wall = BudgetPeriod.EndAfter(November, budget.Day).AddDays(-20);
            string boot = "a";
            (int device, ulong counter, long sent) = (3, 0, 0);
            budget.Count(0, 0);
            budget.Advance(wall, isSynced: true, isSteady: false);
            for (int step = 0; step < 30; step++)
            {
                ulong more = (ulong)random.Next(10_000);
                counter += more;
                sent += (long)more;
                switch (random.Next(6))
                {
                    case 0: // the daemon is restarted, or the device with the daemon
                        budget.Count(device, counter);
                        byte[] file = BudgetFile.Write([account], boot);
                        if (random.Next(2) == 0)
                        {
                            boot += "b";
                            (device, counter) = (random.Next(3, 6), 0);
                        }
                        List<BudgetAccount> read = [];
                        Assert.Null(BudgetFile.Read(System.Text.Encoding.ASCII.GetString(file), boot, read));
                        account = Assert.Single(read);
                        int day = budget.Day;
                        budget = new ByteBudget(account, isNew: false) { Limit = 1_000_000, Day = day };
                        break;
                    case 1: // the modem falls off its bus
                        budget.Count(device, counter);
                        budget.Count(0, 0);
                        (device, counter) = (device + 1, 0);
                        break;
                    case 2: // its clock is wrong for a while
                        budget.Count(device, counter);
                        budget.Advance(wall.AddDays(-random.Next(20_000)), false, random.Next(2) == 0);
                        break;
                    default:
                        budget.Count(device, counter);
                        wall = wall.AddMinutes(random.Next(900));
                        budget.Advance(wall, isSynced: random.Next(2) == 0, isSteady: true);
                        break;
                }
            }
            budget.Count(device, counter);
            Assert.True(budget.Used == sent, $"seed {seed}: {budget.Used} of {sent}");
        }
    }

    // -- the file -------------------------------------------------------------------------------------------

    [Fact]
    public void The_file_keeps_everything_and_in_another_boot_devices_count_from_zero()
    {
        BudgetAccount[] written =
        [
            new("WAN_0", "wwan0")
            {
                Used = 123,
                Before = 456,
                Until = Utc(2026, 12, 1, 0),
                IsFirm = true,
                Ifindex = 7,
                Counter = 99,
            },
            new("ETH_9", "x#y"),
        ];
        string text = System.Text.Encoding.ASCII.GetString(BudgetFile.Write(written, "this-boot"));
        foreach ((string boot, int ifindex) in ((string, int)[])[("this-boot", 7), ("the-next", 0)])
        {
            List<BudgetAccount> read = [];
            Assert.Null(BudgetFile.Read(text, boot, read));
            Assert.Equal(2, read.Count);
            Assert.Equal(
                ("WAN_0", "wwan0", 123, 456, Utc(2026, 12, 1, 0), true, ifindex),
                (read[0].Key, read[0].Name, read[0].Used, read[0].Before, read[0].Until!.Value,
                    read[0].IsFirm, read[0].Ifindex));
            Assert.Equal(("ETH_9", null), (read[1].Key, read[1].Until));
        }
    }

    [Fact]
    public void Any_damage_is_found()
    {
        _account.Used = 1234;
        string text = System.Text.Encoding.ASCII.GetString(BudgetFile.Write([_account, new("X", "y")], "b"));
        for (int length = 0; length < text.Length; length++)
        {
            Refused(text[..length]);
            Refused(text[..length] + (char)(text[length] ^ 1) + text[(length + 1)..]);
            Refused(text[..length] + text[(length + 1)..]);
        }
        Refused(text + "x");
        Refused(new string('\0', 100));

        static void Refused(string damaged)
        {
            List<BudgetAccount> read = [];
            Assert.NotNull(BudgetFile.Read(damaged, "b", read));
            Assert.Empty(read);
        }
    }

    /// <summary>Somebody may write a file with a right checksum.</summary>
    [Theory]
    [InlineData("WAN_0 wwan0 1 2 3 1 5"), InlineData("WAN_0 wwan0 1 2 3 1 5 6 7"), InlineData("")]
    [InlineData("WAN_0 ww/an0 1 2 3 1 5 6"), InlineData("WAN_0 wwan0 -1 2 3 1 5 6")]
    [InlineData("WAN_0 wwan0 9223372036854775807 2 3 1 5 6"), InlineData("WAN_0 wwan0 1 2 3 2 5 6")]
    [InlineData("WAN_0 wwan0 1 2 999999999999999 1 5 6"), InlineData("WAN_0 wwan0 1 2 3 1 4294967296 6")]
    [InlineData("A_KEY_THAT_IS_FAR_TOO_LONG wwan0 1 2 3 1 5 6")]
    public void A_line_that_makes_no_sense_is_refused(string line)
    {
        string body = $"connmgr-budget-1 b\nWIFISTA_0 wlan0 1 2 3 1 5 6\n{line}\n";
        ulong hash = 14695981039346656037;
        foreach (char c in body)
        {
            hash = unchecked((hash ^ c) * 1099511628211);
        }
        List<BudgetAccount> read = [];
        Assert.Equal("line 3 is wrong", BudgetFile.Read($"{body}end {hash}\n", "b", read));
        Assert.Empty(read);
    }
}
