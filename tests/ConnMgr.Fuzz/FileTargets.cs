using System.Net;
using System.Text;
using ConnMgr.Config;
using ConnMgr.Dns;
using ConnMgr.Firewall;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;
using ConnMgr.Probe;
using static ConnMgr.Fuzz.BrokenRuleException;

namespace ConnMgr.Fuzz;

/// <summary>Files that people, other programs and the daemon itself have written.</summary>
internal static class FileTargets
{
    private const int MostRemarks = 110; // of each kind, in netif_names
    private const int LongestRemark = 700; // characters
    private const int MostServers = 16;

    /// <summary>The file netif_names.</summary>
    public static void NetifNames(ReadOnlySpan<byte> bytes)
    {
        List<Remark> errors = [];
        List<Remark> warnings = [];
        bool isRight = Config.NetifNames.TryParse(
            Encoding.UTF8.GetString(bytes), out NetifNames names, errors, warnings);
        Unless(isRight == (errors.Count == 0), "a refusal has an error");
        Check(errors, bytes, MostRemarks);
        Check(warnings, bytes, MostRemarks);
        if (!isRight)
        {
            return;
        }
        Unless(names.Links.Count is >= 1 and <= 30, "there are 1 to 30 links");
        foreach (NamedLink link in names.Links)
        {
            Unless(InterfaceName.IsValid(link.Name), "a link has a name");
        }
        Unless(Config.NetifNames.TryParse(names.ToText(), out NetifNames same, errors, warnings)
            && same.ChangesFrom(names).Count == 0 && same.Links.Count == names.Links.Count,
            "the names are the same when they are written and read again");
    }

    /// <summary>The whitelist.</summary>
    public static void Whitelist(ReadOnlySpan<byte> bytes)
    {
        List<Remark> errors = [];
        List<Remark> warnings = [];
        Whitelist whitelist = WhitelistReader.Read(bytes, errors, warnings);
        Check(errors, bytes, WhitelistReader.MaxRemarks + 3);
        Check(warnings, bytes, WhitelistReader.MaxRemarks + 3);
        Unless(whitelist.Count <= bytes.Count((byte)'\n') + 1, "a line has one entry");
        StringBuilder text = new();
        for (int i = 0; i < whitelist.NameCount; i++)
        {
            text.Append(whitelist.TextOf(i)).Append('\n');
            if (whitelist.IsExact(i))
            {
                Unless(whitelist.IsWanted(whitelist.NameOf(i), out _), "an entry is wanted");
            }
        }
        for (int i = 0; i < whitelist.LiteralCount; i++)
        {
            IpPrefix prefix = whitelist.LiteralOf(i);
            Unless(whitelist.Covers(prefix.First), "an address is covered");
            Unless(prefix.Length >= (prefix.First.IsIpv4 ? 8 : 16), "no prefix is very short");
            text.Append(prefix).Append('\n');
        }
        errors.Clear();
        Whitelist same = WhitelistReader.Read(Encoding.ASCII.GetBytes(text.ToString()), errors, []);
        Unless(errors.Count == 0 && same.NameCount == whitelist.NameCount
            && same.LiteralCount == whitelist.LiteralCount,
            "the entries are the same when they are written and read again");
    }

    private static void Check(List<Remark> remarks, ReadOnlySpan<byte> bytes, int most)
    {
        Unless(remarks.Count <= most, "the remarks are bounded");
        foreach (Remark remark in remarks)
        {
            Unless(
                remark.Line >= 0 && remark.Line <= bytes.Count((byte)'\n') + 1, "a remark is about a line");
            Unless(remark.Text.Length <= LongestRemark, "a remark is short");
            foreach (char letter in remark.Text)
            {
                Unless(!char.IsControl(letter), "a remark is safe on a terminal");
            }
        }
    }

    /// <summary>resolv.conf, and netifd's resolv.conf.auto.</summary>
    public static void ResolvConf(ReadOnlySpan<byte> bytes)
    {
        string text = Encoding.UTF8.GetString(bytes);
        ServerLink link = new(LinkKind.Ethernet, "eth0", 2, true, true, new KernelState());
        List<IPAddress> unknown = [];
        List<IPAddress> own = Probe.ResolvConf.OfInterface(
            text, link, name => name == "wan" ? "eth0" : name == "wwan" ? "wwan0" : null, unknown);
        List<IPAddress> remote = Probe.ResolvConf.Remote(text, () => text, link);
        List<ResolverServer> all = [];
        _ = Probe.ResolvConf.AddAll(all, text);
        CheckServers(own);
        CheckServers(unknown);
        CheckServers(remote);
        CheckServers(all.ConvertAll(server => server.Address));
    }

    private static void CheckServers(List<IPAddress> servers)
    {
        Unless(servers.Count <= MostServers, "the servers are bounded");
        Unless(servers.Distinct().Count() == servers.Count, "no server is there twice");
        foreach (IPAddress server in servers)
        {
            Unless(!IPAddress.IsLoopback(server) && !server.Equals(IPAddress.Any), "no server is this host");
        }
    }

    /// <summary>The file of open addresses, of the boot `boot` that began 10000 seconds ago.</summary>
    public static void Holes(ReadOnlySpan<byte> bytes)
    {
        Whitelist whitelist = WhitelistReader.Read("a.example\n*.wild.example\n198.18.8.0/24"u8, [], []);
        TimeSpan now = TimeSpan.FromSeconds(10_000);
        Holes holes = new(whitelist) { AllowsPrivate = true };
        List<HoleEffect> effects = [];
        (int taken, int skipped) = HoleFile.Read(bytes, "boot", now, holes, effects);
        Unless(taken + skipped <= bytes.Count((byte)'\n') + 1, "a line is taken or skipped");
        Unless(holes.Count <= Math.Max(taken, 0), "a hole has a line");
        Check(effects, taken + skipped);
        for (int i = 0; i < holes.Count; i++)
        {
            Unless(holes[i].Until > now && holes[i].Since <= now, "a hole is open now");
            Unless(holes[i].Names.Length is >= 1 and <= Hole.MaxNames, "a hole has names");
            Unless(AddressScopes.Of(holes[i].Address) != AddressScope.Never, "no hole is to any address");
        }
        holes.Tick(now, effects);

        Holes again = new(whitelist) { AllowsPrivate = true };
        (int same, int lost) = HoleFile.Read(
            HoleFile.Write(holes, "boot", now), "boot", now, again, effects);
        Unless(again.Count == holes.Count && lost == 0 && same <= Math.Max(taken, 0),
            "the holes are the same when they are written and read again");
    }

    private static void Check(List<HoleEffect> effects, int lines)
    {
        Unless(effects.Count <= Math.Max(lines, 0), "a line has one effect");
        foreach (HoleEffect effect in effects)
        {
            Unless(effect.Timeout is >= 0 and <= 8 * 86400, "a time-out is in bounds");
        }
    }

    /// <summary>/etc/default/connmgr.</summary>
    public static void Defaults(ReadOnlySpan<byte> bytes)
    {
        string text = Encoding.UTF8.GetString(bytes);
        string[] words = DefaultsFile.Parse(text, out int badLine);
        Unless(badLine >= 0 && badLine <= text.Count('\n') + 1, "a remark is about a line");
        Unless(badLine == 0 || words.Length == 0, "a bad file has no options");
        foreach (string word in words)
        {
            Unless(word.Length > 0 && !word.AsSpan().ContainsAny("$`\\\""), "a word is plain");
        }
    }

    /// <summary>/etc/group.</summary>
    public static void Groups(ReadOnlySpan<byte> bytes)
    {
        uint? group = GroupFile.FindIn(Encoding.UTF8.GetString(bytes), "connmgr");
        Unless(group is not uint.MaxValue, "the number that means no group is none");
        Unless(group is null || bytes.IndexOf("connmgr:"u8) >= 0, "a group is in the file");
    }

    /// <summary>/proc/net/dev.</summary>
    public static void Counters(ReadOnlySpan<byte> bytes)
    {
        string text = Encoding.UTF8.GetString(bytes);
        (ulong received, ulong sent) = InterfaceCounters.Find(text, "eth0");
        Unless((received | sent) == 0 || text.Contains("eth0", StringComparison.Ordinal),
            "a device that is not there has no bytes");
    }

    /// <summary>/proc/net/udp; where a line says so, /etc/passwd.</summary>
    public static void Sockets(ReadOnlySpan<byte> bytes)
    {
        string text = Encoding.UTF8.GetString(bytes);
        ServerPolicy policy = new();
        policy.Presume(text);
        _ = policy.SeeSockets(text, () => text);
        Unless(policy.Users.Count <= ServerPolicy.MaxUsers, "the users are bounded");
        Unless(!policy.SeeSockets(text, () => text), "the same sockets change nothing");
        _ = policy.ToString();
    }
}
