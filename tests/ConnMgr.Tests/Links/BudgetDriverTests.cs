using System.Net;
using System.Net.Sockets;
using ConnMgr.Config;
using ConnMgr.Links;
using ConnMgr.Logging;
using static ConnMgr.Tests.Capture.NetworkNamespace;

namespace ConnMgr.Tests.Links;

/// <summary>
/// Budgets with the kernel's counters of a real device, and the file of what was used (contract, section 7).
/// </summary>
public sealed class BudgetDriverTests
{
    private const string Metered = "METERED='wlan0'\n";
    private const string Budget = Metered + "WIFISTA_BUDGET_0='20K'\n";

    [Fact]
    public void It_warns_at_80_and_100_percent_and_then_the_link_comes_last() => Run(() =>
    {
        using LinkRig rig = New();
        BudgetDriver budgets = Started(rig);
        Assert.Equal(0, budgets.Find("wlan0")!.Used); // what the kernel had counted before does not count
        Send(10_000);
        Tick(rig, budgets);
        Assert.InRange(budgets.Find("wlan0")!.Used, 10_000, 15_000);
        Assert.Empty(Said(rig));
        Send(7_000);
        Tick(rig, budgets);
        Assert.Matches(@"^wlan0 has used 1[\d.]+ kB of 20 kB, 8\d % of its budget", Assert.Single(Said(rig)));
        Assert.Equal(LinkBudget.Within, rig.View.Find("wlan0")!.Budget);
        rig.Log.Event(EventKind.Link, "the same line twice in a row would be one event");
        Tick(rig, budgets);
        Assert.Single(Said(rig));
        Send(5_000);
        Tick(rig, budgets);
        Assert.Matches(
            @"^wlan0 has used 2[\d.]+ kB of 20 kB, 1\d\d % of its budget: it is used only if no other link",
            Said(rig)[1]);
        rig.Until(() => rig.View.Find("wlan0")!.Budget == LinkBudget.Over);
        Assert.Null(budgets.Find("eth0"));
    });

    [Fact]
    public void With_never_it_is_not_used_any_more() => Run(() =>
    {
        using LinkRig rig = New(options => options with { BlocksOverBudget = true });
        BudgetDriver budgets = Started(rig);
        Send(25_000);
        Tick(rig, budgets);
        Assert.Contains("of its budget: it is not used any more", Assert.Single(Said(rig)),
            StringComparison.Ordinal);
        rig.Until(() => rig.View.Find("wlan0")!.Budget == LinkBudget.Blocked);
    });

    [Fact]
    public void A_reload_without_the_budget_frees_the_link_and_one_with_more_too() => Run(() =>
    {
        using LinkRig rig = New();
        BudgetDriver budgets = Started(rig);
        Send(25_000);
        Tick(rig, budgets);
        rig.Until(() => rig.View.Find("wlan0")!.Budget == LinkBudget.Over);
        budgets.Set(LinkRig.Names(Metered + "WIFISTA_BUDGET_0='2M'"));
        rig.Until(() => rig.View.Find("wlan0")!.Budget == LinkBudget.Within);
        Assert.InRange(budgets.Find("wlan0")!.Used, 25_000, 40_000);
        budgets.Set(LinkRig.Names(Budget));
        rig.Until(() => rig.View.Find("wlan0")!.Budget == LinkBudget.Over);
        budgets.Set(LinkRig.Names(Metered));
        rig.Until(() => rig.View.Find("wlan0")!.Budget == LinkBudget.Within);
        Assert.Null(budgets.Find("wlan0"));
    });

    /// <summary>A replaced link object knows nothing of the budget.</summary>
    [Fact]
    public void A_link_that_a_reload_has_made_anew_is_told() => Run(() =>
    {
        using LinkRig rig = New();
        BudgetDriver budgets = Started(rig);
        Send(25_000);
        Tick(rig, budgets);
        rig.Until(() => rig.View.Find("wlan0")!.Budget == LinkBudget.Over);
        rig.Driver.Reload(LinkRig.Names("WIFISTA_INTERFACE_0='wlan7'\n"));
        rig.Driver.Reload(LinkRig.Names(Budget));
        rig.Until(() => rig.View.Find("wlan0")!.Budget == LinkBudget.Within);
        budgets.Set(LinkRig.Names(Budget));
        rig.Until(() => rig.View.Find("wlan0")!.Budget == LinkBudget.Over);
    });

    [Fact]
    public void What_was_used_survives_a_restart() => Run(() =>
    {
        using LinkRig rig = New();
        BudgetDriver budgets = Started(rig);
        Send(10_000);
        budgets.Stop();
        long used = budgets.Find("wlan0")!.Used;
        Assert.InRange(used, 10_000, 15_000);
        Send(1_000); // while no daemon runs
        BudgetDriver next = Started(rig);
        Assert.InRange(next.Find("wlan0")!.Used, used + 1_000, used + 6_000);
        Assert.Null(next.Trouble);
    });

    [Fact]
    public void It_is_written_at_most_every_ten_minutes() => Run(() =>
    {
        SkewedTime time = new();
        using LinkRig rig = New(time: time);
        BudgetDriver budgets = Started(rig);
        string path = $"{rig.Directory}/state/budget";
        Assert.True(File.Exists(path)); // a new account is written at once
        string before = File.ReadAllText(path);
        Send(5_000);
        time.Skew += TimeSpan.FromMinutes(9.5);
        Tick(rig, budgets);
        Assert.Equal(before, File.ReadAllText(path));
        time.Skew += TimeSpan.FromMinutes(1);
        Tick(rig, budgets);
        string after = File.ReadAllText(path);
        Assert.NotEqual(before, after);
        Assert.Equal(before, File.ReadAllText($"{path}.old")); // the one before is kept
        Send(2_000);
        RunIp("link set wlan0 down"); // no more bytes
        budgets.Stop();
        Assert.NotEqual(after, File.ReadAllText(path));
        Assert.Equal(after, File.ReadAllText($"{path}.old"));
        File.Delete(path);
        budgets.Stop();
        Assert.False(File.Exists(path)); // nothing had changed
        Assert.InRange(budgets.Find("wlan0")!.Used, 7_000, 12_000);
    });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_damaged_file_is_kept_and_the_one_before_counts(bool hasOlder) => Run(() =>
    {
        using LinkRig rig = New();
        BudgetDriver budgets = Started(rig);
        Send(10_000);
        budgets.Stop();
        string path = $"{rig.Directory}/state/budget";
        string good = File.ReadAllText(path);
        File.Delete($"{path}.old");
        if (hasOlder)
        {
            File.WriteAllText($"{path}.old", good);
        }
        File.WriteAllText(path, good.Replace("WIFISTA_0", "WIFISTA_1", StringComparison.Ordinal));
        BudgetDriver next = Started(rig);
        Assert.Equal(hasOlder, next.Find("wlan0")!.Used >= 10_000);
        Assert.Equal(
            $"{path}: its checksum is wrong (kept as {path}.bad): "
            + (hasOlder ? $"using {path}.old, so that the last bytes before the damage are missing"
                : "what the links have used is not known, counting from now on"),
            Assert.Single(Said(rig)));
        Assert.Contains("WIFISTA_1", File.ReadAllText($"{path}.bad"), StringComparison.Ordinal);
    });

    [Fact]
    public void A_directory_in_memory_is_said_once() => Run(() =>
    {
        string directory = $"/dev/shm/connmgr-test-{Guid.NewGuid():N}";
        try
        {
            using LinkRig rig = New(options => options with { StateDirectory = directory });
            BudgetDriver budgets = Started(rig);
            Assert.Equal("it is in memory", budgets.Trouble);
            Send(5_000);
            rig.Log.Event(EventKind.Link, "the same line twice in a row would be one event");
            budgets.Stop();
            Assert.Equal(
                [
                    $"{directory}/budget: it is in memory: a reboot forgets what the links have used "
                    + "(--state-dir)",
                ],
                Said(rig));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    });

    [Fact]
    public void A_directory_that_cannot_be_written_is_said() => Run(() =>
    {
        using LinkRig rig = New(options => options with { StateDirectory = "/proc/nowhere" });
        BudgetDriver budgets = Started(rig);
        Assert.Equal("No such file or directory", budgets.Trouble);
        Assert.Single(Said(rig));
        Send(25_000);
        Tick(rig, budgets); // it counts all the same
        rig.Until(() => rig.View.Find("wlan0")!.Budget == LinkBudget.Over);
    });

    private static LinkRig New(Func<Options, Options>? change = null, TimeProvider? time = null)
    {
        LinkRig rig = new(
            options =>
            {
                options = options with { StateDirectory = $"{options.RunDirectory}/state" };
                return change?.Invoke(options) ?? options;
            },
            Budget, time);
        RunIp("neigh add 198.18.3.9 lladdr 02:00:00:00:00:09 dev wlan0");
        rig.Until(() => rig.State.Find("wlan0") is not null && rig.View.Links.Count > 0);
        return rig;
    }

    private static BudgetDriver Started(LinkRig rig)
    {
        BudgetDriver budgets = new(rig.Loop, rig.Log, rig.Options, rig.State, rig.Driver);
        budgets.Set(LinkRig.Names(Budget));
        return budgets;
    }

    /// <summary>Sends that many bytes over wlan0, headers not counted.</summary>
    private static void Send(int bytes)
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        for (; bytes > 0; bytes -= 1000)
        {
            socket.SendTo(new byte[1000], new IPEndPoint(IPAddress.Parse("198.18.3.9"), 9));
        }
    }

    private static void Tick(LinkRig rig, BudgetDriver budgets)
    {
        budgets.Tick();
        int rounds = 0;
        rig.Until(() => ++rounds > 2);
    }

    private static string[] Said(LinkRig rig) =>
    [
        .. rig.Log.Events.Events.Where(said => said.Level == LogLevel.Warn
            && said.Text.Contains("budget", StringComparison.Ordinal)).Select(said => said.Text),
    ];
}
