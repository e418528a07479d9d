using System.Diagnostics;
using System.Globalization;
using ConnMgr.Dns;
using ConnMgr.Firewall;

namespace ConnMgr.Benchmarks.Firewall;

/// <summary>
/// Measures what the daemon remembers of answers: the bytes of a full table of aliases and of a full list of
/// answers that opened nothing, with usual names and with the longest ones, and the time that they add to one
/// reply. Bytes are exact; times are medians.
/// </summary>
internal static class AnswerMemoryMeasurement
{
    private const int Rounds = 2000;
    private static readonly TimeSpan Now = TimeSpan.FromHours(1);

    /// <summary>Prints one line for each measure.</summary>
    public static void Run()
    {
        foreach (bool isLongest in (bool[])[false, true])
        {
            string names = isLongest ? "longest names" : "usual names";
            long before = Memory();
            UnwantedAnswers unwanted = new();
            Fill(unwanted, isLongest);
            long after = Memory();
            Say($"{UnwantedAnswers.MaxAnswers} unwanted answers, {names}: {after - before} bytes");
            Time("  one more", i => Add(unwanted, UnwantedAnswers.MaxAnswers + i, isLongest));
            Time("  all judged again", _ => unwanted.JudgeAgain(Now, (in _) => false));
            GC.KeepAlive(unwanted);

            before = Memory();
            AliasTable aliases = new();
            Fill(aliases, isLongest);
            after = Memory();
            Say($"{AliasTable.MaxAliases} aliases, {names}: {after - before} bytes");
            Whitelist whitelist = WhitelistReader.Read("*.fresh.example\n"u8, [], []);
            List<DnsName> owners = [];
            Time("  whose name is it? an alias of one step", i =>
                Find(aliases, Name("edge", i % AliasTable.MaxAliases, isLongest), whitelist, owners));
            Time("  a name that is no alias", i =>
                Find(aliases, Name("none", i, isLongest), whitelist, owners));
            Time("  a known alias again", i => Learn(aliases, i % AliasTable.MaxAliases, isLongest));
            Time("  one more", i => Learn(aliases, AliasTable.MaxAliases + i, isLongest));
            AliasTable chain = new();
            for (int i = 0; i < AliasTable.MaxSteps; i++)
            {
                chain.Learn(i == 0 ? Name("www", 0, false) : Name("edge", i - 1, false),
                    Name("edge", i, false), 60, Now);
            }
            Time("  an alias of 16 steps", _ =>
                Find(chain, Name("edge", AliasTable.MaxSteps - 1, false), whitelist, owners));
            GC.KeepAlive(aliases);
        }
    }

    private static void Fill(UnwantedAnswers unwanted, bool isLongest)
    {
        for (int i = 0; i < UnwantedAnswers.MaxAnswers; i++)
        {
            Add(unwanted, i, isLongest);
        }
    }

    private static void Fill(AliasTable aliases, bool isLongest)
    {
        for (int i = 0; i < AliasTable.MaxAliases; i++)
        {
            Learn(aliases, i, isLongest);
        }
    }

    /// <summary>Usually an alias and two addresses; at most what is kept of an answer.</summary>
    private static void Add(UnwantedAnswers unwanted, int number, bool isLongest)
    {
        DnsName owner = Name("other", number, isLongest);
        Span<DnsAddress> addresses = new DnsAddress[isLongest ? UnwantedAnswers.MaxAddresses : 2];
        addresses.Fill(new DnsAddress([198, 18, (byte)(number >> 8), (byte)number], 60));
        Span<DnsAlias> aliases = new DnsAlias[isLongest ? UnwantedAnswers.MaxAliases : 1];
        aliases.Fill(new DnsAlias(owner, Name("edge", number, isLongest), 60));
        unwanted.Add(
            new DnsAnswer(
                new DnsQuestion(owner, DnsType.A), addresses, aliases, default, isOfDevice: true),
            Now);
    }

    private static void Learn(AliasTable aliases, int number, bool isLongest) =>
        aliases.Learn(Name("www", number, isLongest), Name("edge", number, isLongest), 60, Now);

    private static void Find(AliasTable aliases, DnsName name, Whitelist whitelist, List<DnsName> owners)
    {
        owners.Clear();
        aliases.FindOwners(name, whitelist, Now, owners);
    }

    private static DnsName Name(string kind, int number, bool isLongest)
    {
        string zone = kind == "www" ? "fresh.example" : "cdn.test";
        string label = $"{kind}{number}.";
        int rest = 253 - zone.Length - label.Length; // 253 characters are 255 bytes
        string filling = "";
        while (isLongest && rest > 1)
        {
            int length = Math.Min(63, rest - 1);
            filling += new string('x', length) + ".";
            rest -= length + 1;
        }
        return DnsName.TryParse(label + filling + zone, out DnsName name)
            ? name
            : throw new InvalidOperationException("not a name");
    }

    private static long Memory() => GC.GetTotalMemory(forceFullCollection: true);

    private static void Time(string what, Action<int> act)
    {
        List<double> times = [];
        for (int i = 0; i < 2 * Rounds; i++)
        {
            long began = Stopwatch.GetTimestamp();
            act(i);
            if (i >= Rounds)
            {
                times.Add(Stopwatch.GetElapsedTime(began).TotalMicroseconds);
            }
        }
        times.Sort();
        Say($"{what}: {times[Rounds / 2]:F1} us");
    }

    private static void Say(FormattableString text) =>
        Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));
}
