using System.Net;
using ConnMgr.Net;

namespace ConnMgr.Probe;

/// <summary>
/// Finds the name servers in resolv.conf texts. Uses only the first 64 KiB of a text, and the first 16
/// servers that the link can ask. Skips unknown lines. Skips loopback servers too, because a probe asks over
/// its link.
/// </summary>
internal static class ResolvConf
{
    private const int MaxLength = 65536; // characters
    private const int MaxServers = 16;
    private const string SectionStart = "# Interface ";

    /// <summary>
    /// Returns the servers of one link in resolv.conf.auto, where netifd writes a line `# Interface NAME`
    /// before those of each network. NAME is the network's name, not the device's (netifd, interface-ip.c).
    /// netifd knows which network is on which device. A section of a network without a known device counts if
    /// it has the device's name or, for the first link of its kind, the kind's conventional name (ethnet,
    /// stanet, modemnet), also with the suffix that modem and DHCPv6 protocols add: NAME_4, NAME_6, NAME6.
    /// Any other section is unknown: it may belong to any link, so its servers are asked last.
    /// </summary>
    /// <param name="text">The file's text.</param>
    /// <param name="link">The link.</param>
    /// <param name="deviceOf">Returns the device of a network; null if it is not known.</param>
    /// <param name="unknown">Receives the servers of unknown sections.</param>
    public static List<IPAddress> OfInterface(
        string text, ServerLink link, Func<string, string?> deviceOf, List<IPAddress> unknown)
    {
        List<IPAddress> servers = [];
        List<IPAddress>? section = null;
        foreach (ReadOnlySpan<char> line in Bounded(text).EnumerateLines())
        {
            if (line.StartsWith(SectionStart, StringComparison.Ordinal))
            {
                string name = line[SectionStart.Length..].Trim().ToString();
                section = deviceOf(name) is { } known ? known == link.Device ? servers : null
                    : IsOrExtends(name, link.Device)
                        || (link.IsFirst && IsOrExtends(name, ConventionalName(link.Kind)))
                        ? servers
                    : IsConventional(name) ? null
                    : unknown;
            }
            else if (section is not null && TryReadServer(line, link, out IPAddress server))
            {
                Add(section, server, link);
            }
        }
        return servers;
    }

    private static string ConventionalName(LinkKind kind) => kind switch
    {
        LinkKind.Ethernet => "ethnet",
        LinkKind.WiFi => "stanet",
        _ => "modemnet",
    };

    private static bool IsConventional(string name) =>
        IsOrExtends(name, ConventionalName(LinkKind.Ethernet))
        || IsOrExtends(name, ConventionalName(LinkKind.WiFi))
        || IsOrExtends(name, ConventionalName(LinkKind.Wan));

    /// <summary>
    /// Returns the servers of resolv.conf that are not on this host, and, if one is (a stub such as
    /// systemd-resolved's 127.0.0.53), those that the stub asks.
    /// </summary>
    /// <param name="text">The file's text.</param>
    /// <param name="behindStub">Returns the text of the stub's own file; called only if there is a
    /// stub.</param>
    /// <param name="link">Servers whose zone is another device are skipped.</param>
    public static List<IPAddress> Remote(string text, Func<string> behindStub, ServerLink link)
    {
        List<IPAddress> servers = [];
        if (AddAll(servers, text, link))
        {
            _ = AddAll(servers, behindStub(), link);
        }
        return servers;
    }

    /// <summary>
    /// Adds the servers of resolv.conf that are not on this host. Returns true if at least one is on this
    /// host.
    /// </summary>
    public static bool AddAll(List<ResolverServer> servers, string text)
    {
        bool hasStub = false;
        foreach (ReadOnlySpan<char> line in Bounded(text).EnumerateLines())
        {
            if (TryRead(line, out ReadOnlySpan<char> zone, out IPAddress server))
            {
                bool isLocal = IsLocal(server);
                hasStub |= isLocal;
                if (!isLocal && servers.Count < MaxServers
                    && !servers.Exists(other => other.Address.Equals(server)))
                {
                    servers.Add(new ResolverServer(server, zone.ToString()));
                }
            }
        }
        return hasStub;
    }

    /// <summary>Adds the servers of a text. Returns true if at least one is on this host.</summary>
    private static bool AddAll(List<IPAddress> servers, string text, ServerLink link)
    {
        bool hasStub = false;
        foreach (ReadOnlySpan<char> line in Bounded(text).EnumerateLines())
        {
            if (TryReadServer(line, link, out IPAddress server))
            {
                hasStub |= IsLocal(server);
                Add(servers, server, link);
            }
        }
        return hasStub;
    }

    private static void Add(List<IPAddress> servers, IPAddress server, ServerLink link)
    {
        if (servers.Count < MaxServers && !IsLocal(server) && link.CanAsk(server)
            && !servers.Contains(server))
        {
            servers.Add(server);
        }
    }

    /// <summary>
    /// True for loopback, and for the unspecified address, which means this host too (resolv.conf(5)).
    /// </summary>
    private static bool IsLocal(IPAddress server)
    {
        IPAddress plain = server.IsIPv4MappedToIPv6 ? server.MapToIPv4() : server;
        return IPAddress.IsLoopback(plain) || plain.Equals(IPAddress.Any) || plain.Equals(IPAddress.IPv6Any);
    }

    /// <summary>
    /// Removes a byte order mark at the start, and everything after the last whole line within the limit.
    /// </summary>
    private static ReadOnlySpan<char> Bounded(string text)
    {
        const char ByteOrderMark = '\uFEFF';
        ReadOnlySpan<char> start = text.AsSpan(0, Math.Min(text.Length, MaxLength));
        start = start.Length < text.Length ? start[..Math.Max(0, start.LastIndexOf('\n'))] : start;
        return start.TrimStart(ByteOrderMark);
    }

    private static bool IsOrExtends(ReadOnlySpan<char> name, string network) =>
        name.StartsWith(network, StringComparison.Ordinal)
        && name[network.Length..] is "" or "_4" or "_6" or "6";

    /// <summary>Parses a line like <see cref="TryRead"/>. False if the zone is another device.</summary>
    private static bool TryReadServer(ReadOnlySpan<char> line, ServerLink link, out IPAddress server) =>
        TryRead(line, out ReadOnlySpan<char> zone, out server) && (zone.IsEmpty || link.IsZone(zone));

    /// <summary>Parses `nameserver ADDRESS[%ZONE]`. Text after the address is a comment.</summary>
    private static bool TryRead(
        ReadOnlySpan<char> line, out ReadOnlySpan<char> zone, out IPAddress server)
    {
        const string Keyword = "nameserver";
        server = IPAddress.None;
        zone = default;
        ReadOnlySpan<char> trimmed = line.Trim();
        if (!trimmed.StartsWith(Keyword, StringComparison.Ordinal) || trimmed.Length == Keyword.Length
            || trimmed[Keyword.Length] is not (' ' or '\t'))
        {
            return false;
        }
        ReadOnlySpan<char> address = trimmed[Keyword.Length..].TrimStart();
        int end = address.IndexOfAny(' ', '\t');
        address = end < 0 ? address : address[..end];

        int percent = address.IndexOf('%');
        if (percent >= 0)
        {
            zone = address[(percent + 1)..];
            if (zone.IsEmpty)
            {
                return false;
            }
            address = address[..percent]; // drop the zone: the socket is bound to the device
        }
        return LiteralAddress.TryParse(address, out server);
    }
}
