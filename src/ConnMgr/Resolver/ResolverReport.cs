using System.Net;
using ConnMgr.Net;
using ConnMgr.Probe;

namespace ConnMgr.Resolver;

/// <summary>
/// Parses the output of `resolv_conf.sh`. A line `link IFNAME ADDRESS...` has the name servers of a link;
/// `asks ADDRESS...` has those that the resolver asks now, if no file says so; `did TEXT` says what the
/// script has done. Ignores other lines. Pure.
/// </summary>
internal sealed class ResolverReport
{
    private const int MaxLinks = 30; // the limit of netif_names

    /// <summary>The name servers of the links.</summary>
    public List<LinkServers> Links { get; } = [];

    /// <summary>The servers of `asks`, at most <see cref="NameServers.Most"/>.</summary>
    public List<ResolverServer> Asked { get; } = [];

    /// <summary>The text of the last `did`; empty for none.</summary>
    public string Did { get; private set; } = "";

    /// <summary>Parses the whole output.</summary>
    public static ResolverReport Read(ReadOnlySpan<char> text)
    {
        ResolverReport report = new();
        foreach (ReadOnlySpan<char> line in text.EnumerateLines())
        {
            string[] words = line.ToString().Split(' ', StringSplitOptions.RemoveEmptyEntries);
            switch (words)
            {
                case ["link", string name, ..] when InterfaceName.IsValid(name):
                    if (report.Links.Count < MaxLinks)
                    {
                        report.Links.Add(new LinkServers(name, Servers(words.AsSpan(2))));
                    }
                    break;
                case ["asks", ..]:
                    foreach (IPAddress server in Servers(words.AsSpan(1)))
                    {
                        if (report.Asked.Count < NameServers.Most)
                        {
                            report.Asked.Add(new ResolverServer(server, ""));
                        }
                    }
                    break;
                case ["did", ..]:
                    report.Did = string.Join(' ', words[1..]);
                    break;
            }
        }
        return report;
    }

    private static List<IPAddress> Servers(ReadOnlySpan<string> words)
    {
        List<IPAddress> servers = [];
        foreach (string word in words)
        {
            int zone = word.IndexOf('%', StringComparison.Ordinal);
            if (servers.Count < NameServers.Most
                && LiteralAddress.TryParse(zone < 0 ? word : word[..zone], out IPAddress server)
                && !servers.Contains(server))
            {
                servers.Add(server);
            }
        }
        return servers;
    }
}
