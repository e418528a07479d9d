using System.Globalization;
using ConnMgr.Dns;
using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>Says what to write instead of a line that is no useful entry of a whitelist. Pure.</summary>
internal static class WhitelistAdvice
{
    /// <summary>For a name or an address of the device itself.</summary>
    public const string ForDevice =
        "the device reaches itself without an entry, and the entry opens no other host: remove the line";

    /// <summary>
    /// Returns what to write instead of a line with an error: a URL, a port, a path, or `.example.com`. Null
    /// if the line resembles none of them.
    /// </summary>
    public static string? For(ReadOnlySpan<char> line)
    {
        ReadOnlySpan<char> rest = line;
        string what = "";
        int scheme = rest.IndexOf("://");
        if (scheme > 0)
        {
            what = "not a URL";
            rest = rest[(scheme + 3)..];
            rest = rest[(rest[..EndOfHost(rest)].LastIndexOf('@') + 1)..];
        }
        int end = EndOfHost(rest);
        if (end < rest.Length)
        {
            if (what.Length == 0 && LiteralAddress.TryParse(rest[..end], out _))
            {
                return null; // meant as a prefix
            }
            what = what.Length > 0 ? what : "without a path";
            rest = rest[..end];
        }
        ReadOnlySpan<char> host = HostOf(rest, out bool hasPort);
        if (hasPort)
        {
            what = what.Length > 0 ? what : "without a port: an entry admits all ports";
        }
        if (host is ['.', ..])
        {
            what = what.Length > 0 ? what : "with a star for the names below a domain";
            return IsEntry(host[1..]) ? $"write '*{host}', {what}" : null;
        }
        return what.Length > 0 && IsEntry(host) ? $"write '{host}', {what}" : null;
    }

    /// <summary>
    /// Returns a warning about a valid name that will not do what its author expects; null if there is none.
    /// </summary>
    public static string? ForName(ReadOnlySpan<char> name)
    {
        name = name.TrimEnd('.');
        return name.Equals("localhost", StringComparison.OrdinalIgnoreCase)
                || name.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase) ? ForDevice
            : name.Contains('.') ? null
            : "a single label: programs ask for it with the search domain of the network, "
                + "so write the full name, for example server.example.com";
    }

    private static int EndOfHost(ReadOnlySpan<char> text)
    {
        int end = text.IndexOfAny('/', '?', '#');
        return end < 0 ? text.Length : end;
    }

    /// <summary>Splits HOST:PORT and [ADDRESS]:PORT.</summary>
    private static ReadOnlySpan<char> HostOf(ReadOnlySpan<char> text, out bool hasPort)
    {
        hasPort = false;
        if (text is ['[', ..] && text.IndexOf(']') is > 1 and int close)
        {
            hasPort = true;
            return text[1..close];
        }
        int colon = text.IndexOf(':');
        if (colon > 0 && colon == text.LastIndexOf(':')
            && (colon + 1 == text.Length || ushort.TryParse(
                text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out _)))
        {
            hasPort = true;
            return text[..colon];
        }
        return text;
    }

    /// <summary>True if the word alone would be a valid name, wildcard or address.</summary>
    private static bool IsEntry(ReadOnlySpan<char> host)
    {
        if (LiteralAddress.TryParse(host, out _))
        {
            return true;
        }
        ReadOnlySpan<char> name = host.StartsWith("*.") ? host[2..] : host;
        return name.Contains('.') && DnsName.TryParse(name, out _);
    }
}
