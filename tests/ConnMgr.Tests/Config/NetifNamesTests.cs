using System.Diagnostics;
using ConnMgr.Config;
using CsCheck;

namespace ConnMgr.Tests.Config;

public class NetifNamesTests
{
    [Fact]
    public void Defaults_hold_where_the_file_says_nothing()
    {
        NetifNames names = Parse("# nothing\n\n");
        Assert.Equal(
            ("eth0 wlan0 wwan0*", "br-apnet"), (Words(names), names.Bridge));
        Assert.Contains("wlan0-1", names.ToText(), StringComparison.Ordinal); // the access point
    }

    [Theory]
    [InlineData("ETH_INTERFACE_0='lan1'")]
    [InlineData("  ETH_INTERFACE_0='lan1'\t")]
    [InlineData("ETH_INTERFACE_0=\"lan1\"")]
    [InlineData("ETH_INTERFACE_0=lan1 # the left socket")]
    [InlineData("ETH_INTERFACE_0='a'\nETH_INTERFACE_0='lan1'")]
    [InlineData("UNKNOWN='x'\nETH_INTERFACE_0='lan1'")]
    public void Names_are_read(string text) => Assert.Equal("lan1", Parse(text).Links[0].Name);

    [Theory]
    [InlineData(
        "ETH_INTERFACE_0=''\nWAN_INTERFACE_0=''\nWIFISTA_INTERFACE_0=\n#",
        "3: there is no link: ETH_INTERFACE_0, WIFISTA_INTERFACE_0 and WAN_INTERFACE_0 are empty")]
    [InlineData(
        "WAN_BUDGET_0='500MB'",
        "1: WAN_BUDGET_0: \"500MB\": write up to six digits and K, M, G or T, e.g. '500M' or '2G' "
            + "(1M is 1000000 bytes)")]
    [InlineData(
        "WAN_BUDGET_DAY='32'",
        "1: WAN_BUDGET_DAY: \"32\": write a day of the month, 1 to 31 (in a shorter month, the last day)")]
    [InlineData("ETH_INTERFACE_7='wlan0'", "1: ETH_INTERFACE_7 and WIFISTA_INTERFACE_0 are both 'wlan0'")]
    [InlineData("PREFER='eth0 a/b'", "1: PREFER: not an interface name: \"a/b\"")]
    [InlineData("METERED='wlan0'\nUNMETERED='eth0\twlan0'", "2: 'wlan0' is both in METERED and in UNMETERED")]
    [InlineData("ETH_INTERFACE_0='a b'", "1: ETH_INTERFACE_0: not an interface name: \"a b\"")]
    [InlineData("#\nETH_INTERFACE_0='a/b'", "2: ETH_INTERFACE_0: not an interface name: \"a/b\"")]
    [InlineData("ETH_INTERFACE_0='sixteen-bytes-xx'",
        "1: ETH_INTERFACE_0: not an interface name: \"sixteen-bytes-xx\"")]
    [InlineData("ETH_INTERFACE_0='..'", "1: ETH_INTERFACE_0: not an interface name: \"..\"")]
    [InlineData("ETH_INTERFACE_0='eth0", "1: not of the form KEY='value': \"ETH_INTERFACE_0='eth0\"")]
    [InlineData("reboot", "1: not of the form KEY='value': \"reboot\"")]
    [InlineData("ETH_INTERFACE_0=$(reboot)", "1: not of the form KEY='value': \"ETH_INTERFACE_0=$(reboot)\"")]
    [InlineData(
        "ETH_INTERFACE_0='a';reboot", "1: not of the form KEY='value': \"ETH_INTERFACE_0='a';reboot\"")]
    [InlineData("ETH_INTERFACE_0 = 'a'", "1: not of the form KEY='value': \"ETH_INTERFACE_0 = 'a'\"")]
    [InlineData("WIFISTA_INTERFACE_0='eth0'", "1: ETH_INTERFACE_0 and WIFISTA_INTERFACE_0 are both 'eth0'")]
    [InlineData(
        "WIFISTA_INTERFACE_0='wlan0-1'\nWIFIAP_INTERFACE_0='wlan0-1'",
        "2: WIFISTA_INTERFACE_0 and WIFIAP_INTERFACE_0 are both 'wlan0-1'")]
    [InlineData(
        "WAN_INTERFACE_0='x'\n\nETH_INTERFACE_0='x'", "3: ETH_INTERFACE_0 and WAN_INTERFACE_0 are both 'x'")]
    public void Mistakes_are_said_with_their_line(string text, string expected)
    {
        List<Remark> errors = [];
        Assert.False(NetifNames.TryParse(text, out _, errors, []));
        Assert.Equal(expected, Assert.Single(errors.Select(error => $"{error.Line}: {error.Text}")));
    }

    [Theory]
    [InlineData("500M", 500_000_000), InlineData("2G", 2_000_000_000), InlineData("001K", 1000)]
    [InlineData("999999T", 999_999_000_000_000_000), InlineData("", 0)]
    [InlineData("0M", -1), InlineData("M", -1), InlineData("500", -1), InlineData("-1M", -1)]
    [InlineData("1.5G", -1), InlineData("1000000K", -1), InlineData("5m", -1), InlineData(" 5M", -1)]
    public void A_budget_is_a_number_with_a_unit(string text, long bytes)
    {
        bool isValid = NetifNames.TryParse($"WAN_BUDGET_0='{text}'", out NetifNames names, [], []);
        Assert.Equal(bytes >= 0, isValid);
        Assert.Equal(Math.Max(0, bytes), isValid ? names.Links[2].Budget : 0);
    }

    [Theory]
    [InlineData("1", 1), InlineData("31", 31), InlineData("07", 7), InlineData("", 1)]
    [InlineData("0", -1), InlineData("00", -1), InlineData("100", -1), InlineData("-1", -1)]
    public void The_budgets_begin_anew_on_a_day_of_the_month(string text, int day)
    {
        bool isValid = NetifNames.TryParse($"WAN_BUDGET_DAY='{text}'", out NetifNames names, [], []);
        Assert.Equal(day, isValid ? names.BudgetDay : -1);
    }

    [Fact]
    public void Only_metered_links_have_budgets_of_any_kind_and_index()
    {
        List<Remark> warnings = [];
        Assert.True(NetifNames.TryParse(
            "METERED='wlan0'\nWIFISTA_BUDGET_0='1G'\nETH_BUDGET_0='1M'\nWAN_BUDGET_3='1M'\n"
                + "WAN_INTERFACE_9='ppp0'\nWAN_BUDGET_9='3K'",
            out NetifNames names, [], warnings));
        Assert.Equal(
            ["eth0 0", "wlan0 1000000000", "wwan0 0", "ppp0 3000"],
            names.Links.Select(link => $"{link.Name} {link.Budget}"));
        Assert.Equal(
            ["3: ETH_BUDGET_0: eth0 is not metered (METERED='eth0' would say so), ignoring",
                "4: WAN_BUDGET_3: there is no WAN_INTERFACE_3, ignoring"],
            warnings.Select(warning => $"{warning.Line}: {warning.Text}"));
        Assert.True(NetifNames.TryParse(names.ToText(), out NetifNames again, [], []));
        Assert.Empty(again.ChangesFrom(names));
        Assert.Equal(
            ["WAN_BUDGET_0: none -> 5M"],
            Parse("WAN_BUDGET_0='5M'").ChangesFrom(NetifNames.Defaults));
    }

    /// <summary>The same as in a shell that sources the file: the other key keeps its default.</summary>
    [Fact]
    public void The_station_may_have_the_default_name_of_the_access_point()
    {
        NetifNames names = Parse("WIFISTA_INTERFACE_0='wlan0-1'");
        Assert.Equal("eth0 wlan0-1 wwan0*", Words(names));
    }

    /// <summary>What scripts are given must not have a name twice, which they refuse.</summary>
    [Theory]
    [InlineData("WIFISTA_INTERFACE_0='wlan0-1'")]
    [InlineData("ETH_INTERFACE_5='wlan0-1'")]
    [InlineData("BRIDGE_INTERFACE_0='wlan0-1'")]
    public void The_default_name_of_the_access_point_is_not_written_beside_its_owner(string line)
    {
        string text = Parse(line).ToText();
        Assert.DoesNotContain("WIFIAP", text, StringComparison.Ordinal);
        Assert.Empty(Parse(text).ChangesFrom(Parse(line)));
    }

    [Fact]
    public void Names_of_a_second_file_count()
    {
        NetifNames first = Parse("ETH_INTERFACE_0='lan1'\nWAN_INTERFACE_0='usb0'");
        Assert.True(NetifNames.TryParse("ETH_INTERFACE_0='lan2'", out NetifNames both, [], [], first));
        Assert.Equal("lan2 wlan0 usb0*", Words(both));
        Assert.Equal("lan1 wlan0 usb0*", Words(first));
    }

    [Fact]
    public void A_name_that_the_first_file_gave_to_another_is_the_second_files_mistake()
    {
        NetifNames first = Parse("\n\n\nETH_INTERFACE_0='lan1'");
        List<Remark> errors = [];
        Assert.False(NetifNames.TryParse("WAN_INTERFACE_0='lan1'", out _, errors, [], first));
        Assert.Equal(
            new Remark(1, "ETH_INTERFACE_0 and WAN_INTERFACE_0 are both 'lan1'"), Assert.Single(errors));
    }

    [Fact]
    public void An_unknown_key_is_a_warning()
    {
        List<Remark> warnings = [];
        Assert.True(NetifNames.TryParse("\nFOO='x'", out _, [], warnings));
        Assert.Equal(new Remark(2, "unknown key 'FOO', ignoring"), Assert.Single(warnings));
    }

    [Fact]
    public void So_many_remarks_are_kept_and_no_more()
    {
        List<Remark> errors = [];
        List<Remark> warnings = [];
        string text = string.Concat(Enumerable.Range(0, 1000).Select(i => $"KEY_{i}=x\n"))
            + "ETH_INTERFACE_0=lan1\n";
        Assert.True(NetifNames.TryParse(text, out NetifNames names, errors, warnings));
        Assert.Equal("lan1", names.Links[0].Name);
        Assert.Equal(new Remark(51, "more unknown keys, ignoring them too"), warnings[^1]);
        Assert.Equal(51, warnings.Count);
        Assert.False(NetifNames.TryParse(text.Replace('=', ' '), out _, errors, []));
        Assert.Equal(51, errors.Count);
    }

    [Fact]
    public void Any_text_is_read_without_an_exception() =>
        Gen.String[Gen.Char["ETH_INTERFACE_0='\"\\ #\t\n\r$;a/.é"], 0, 60].Sample(
            text => { _ = NetifNames.TryParse(text, out _, [], []); }, iter: 20_000);

    /// <summary>
    /// The daemon and the scripts read the same file. Both must accept it or both refuse it, with the same
    /// names.
    /// </summary>
    [Fact]
    public void The_scripts_agree_on_what_is_valid()
    {
        string[] texts =
        [
            "", "ETH_INTERFACE_0='lan1'\n", "ETH_INTERFACE_0=\"lan1\"\nWAN_INTERFACE_0=ppp0 # modem\n",
            "  ETH_INTERFACE_0='lan1'  \n", "FOO='bar'\nETH_INTERFACE_0='lan1'", "ETH_INTERFACE_0='lan1'",
            "ETH_INTERFACE_0=''\n", "ETH_INTERFACE_0='a b'\n", "ETH_INTERFACE_0='a/b'\n",
            "ETH_INTERFACE_0='a:b'\n", "ETH_INTERFACE_0='sixteen-bytes-xx'\n",
            "ETH_INTERFACE_0='fifteen-bytes-x'\n", "ETH_INTERFACE_0='..'\n", "ETH_INTERFACE_0='-x'\n",
            "ETH_INTERFACE_0='lan1'\r\n", "ETH_INTERFACE_0='wlan0'\n", "reboot\n",
            "ETH_INTERFACE_0='wlan0'\nWIFISTA_INTERFACE_0='eth0'\n", "ETH_INTERFACE_0=$(id)\n",
            "ETH_INTERFACE_0=`id`\n", "ETH_INTERFACE_0='a';id\n", "ETH_INTERFACE_0 = 'a'\n",
            "ETH_INTERFACE_0='a'b\n", "ETH_INTERFACE_0='a'#b\n", "ETH_INTERFACE_0=~\n",
            "ETH_INTERFACE_0='a\n", "ETH_INTERFACE_0=a'b'\n", "export ETH_INTERFACE_0='a'\n",
            "ETH_INTERFACE_0='a' b\n", "ETH_INTERFACE_0=a\\ b\n", "ETH_INTERFACE_0=\n", "='a'\n",
            "0='a'\n", "#\t\n\t\n", "ETH_INTERFACE_0=a=b\n", "ETH_INTERFACE_0=a^b\n", "FOO=a^b\n",
            "ETH_INTERFACE_0=\"a;b\"\n", "FOO=\"a; b\"\n", "ETH_INTERFACE_0=\"a!b\"\n",
            "ETH_INTERFACE_0=\"a$b\"\n", "ETH_INTERFACE_0=\"a'b\"\n", "ETH_INTERFACE_0=a%b\n",
            "ETH_INTERFACE_0='lan.1@x+y'\n", "ETH_INTERFACE_0='l\u00e4n'\n", "ETH_INTERFACE_0='$x'\n",
            "WIFIAP_INTERFACE_0='eth0'\n", "ETH_INTERFACE_1='eth0'\n", "ETH_INTERFACE_10='eth0'\n",
            "WAN_INTERFACE_9='ppp0'\nWIFISTA_INTERFACE_3=\n", "BRIDGE_INTERFACE_0=''\n",
            "ETH_INTERFACE_0=''\nWAN_INTERFACE_0=''\nWIFISTA_INTERFACE_0=''\n",
            "ETH_INTERFACE_0=''\nWAN_INTERFACE_0=''\nWIFISTA_INTERFACE_0=''\nETH_INTERFACE_4='x'\n",
            "PREFER='eth0\twwan0'\n", "PREFER=eth7\n", "PREFER=' '\n", "PREFER='-x'\n",
            "METERED='a/b eth0'\n",
            "METERED='eth0'\nUNMETERED='wlan0 eth0'\n", "METERED='x'\nUNMETERED='x'\n",
        ];
        List<string> disagreements = [];
        foreach (string text in texts)
        {
            string? ours = NetifNames.TryParse(text, out NetifNames names, [], [])
                ? names.ToText()
                : null;
            string? theirs = RunScript(text);
            if (ours != theirs)
            {
                disagreements.Add(
                    $"{text.ReplaceLineEndings("\\n")}: daemon {ours ?? "refuses"}, script "
                        + $"{theirs ?? "refuses"}");
            }
        }
        Assert.Empty(disagreements);
    }

    private static string? RunScript(string text)
    {
        string directory = Directory.CreateTempSubdirectory("connmgr-test-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(directory, "netif_names"), text);
            ProcessStartInfo start = new(Path.Combine(Repository.Root, "scripts", "get_netif_names"))
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            start.Environment["CONNMGR_CONFIG_DIR"] = directory;
            using Process script = Process.Start(start)!;
            string output = script.StandardOutput.ReadToEnd();
            script.StandardError.ReadToEnd();
            script.WaitForExit();
            return script.ExitCode == 0 ? output : null;
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    /// <summary>Any number of links of each kind; the order is that of preference.</summary>
    [Theory]
    [InlineData("ETH_INTERFACE_1='eth1'\nWAN_INTERFACE_3='ppp0'", "eth0 eth1 wlan0 wwan0* ppp0*")]
    [InlineData("PREFER='wwan0  wlan0'", "wwan0* wlan0 eth0")]
    [InlineData("PREFER='none wlan0 wlan0'", "wlan0 eth0 wwan0*")]
    [InlineData("METERED='wlan0 x'\nUNMETERED='wwan0'", "eth0 wlan0* wwan0")]
    [InlineData("ETH_INTERFACE_0=\nWIFISTA_INTERFACE_0=''", "wwan0*")]
    [InlineData(
        "ETH_INTERFACE_0=''\nWIFISTA_INTERFACE_0=''\nWAN_INTERFACE_0=''\nETH_INTERFACE_9='x'", "x")]
    public void Links_are_ordered(string text, string expected) => Assert.Equal(expected, Words(Parse(text)));

    [Fact]
    public void Thirty_links_keep_their_order_in_the_text_for_scripts()
    {
        string text = string.Concat(
            from kind in (string[])["ETH", "WIFISTA", "WAN"]
            from index in Enumerable.Range(0, 10)
            select $"{kind}_INTERFACE_{index}='{kind[0]}{kind[1]}{index}'\n")
            + "PREFER='WA9 WI0'\nUNMETERED='WA9'\n";
        NetifNames names = Parse(text);
        Assert.Equal(30, names.Links.Count);
        Assert.StartsWith("WA9 WI0 ET0 ET1 ET2", Words(names), StringComparison.Ordinal);
        Assert.Equal(Words(names), Words(Parse(names.ToText())));
        Assert.Empty(names.ChangesFrom(Parse(names.ToText())));
    }

    [Fact]
    public void A_list_that_names_no_link_is_a_warning()
    {
        List<Remark> warnings = [];
        Assert.True(NetifNames.TryParse("PREFER='eth0 eth7'\nMETERED=x", out _, [], warnings));
        Assert.Equal(
            ["1: PREFER: 'eth7' is not a link, ignoring", "2: METERED: 'x' is not a link, ignoring"],
            warnings.Select(warning => $"{warning.Line}: {warning.Text}"));
    }

    [Fact]
    public void Changes_name_roles_that_become_empty()
    {
        NetifNames old = Parse("WAN_INTERFACE_1='usb0'");
        Assert.Equal(
            ["ETH_INTERFACE_0: eth0 -> none", "WAN_INTERFACE_1: usb0 -> none", "PREFER: none -> wwan0"],
            Parse("ETH_INTERFACE_0=''\nPREFER='wwan0'").ChangesFrom(old));
    }

    /// <summary>The links, most preferred first; those that cost money have a star.</summary>
    private static string Words(NetifNames names) =>
        string.Join(' ', names.Links.Select(link => link.Name + (link.IsMetered ? "*" : "")));

    private static NetifNames Parse(string text)
    {
        List<Remark> errors = [];
        Assert.True(NetifNames.TryParse(text, out NetifNames names, errors, []), string.Join("; ", errors));
        return names;
    }
}
