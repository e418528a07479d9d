using System.Globalization;
using System.Net;
using ConnMgr.Dns;
using ConnMgr.Net;

namespace ConnMgr.Probe;

/// <summary>The service that a probe talks to: HOST[:PORT] of the command line.</summary>
/// <param name="Host">A host name in lower case without a final dot, or an IP address without
/// brackets.</param>
/// <param name="Port">TCP port, 1 to 65535.</param>
internal sealed record EchoService(string Host, int Port)
{
    private const int DefaultPort = 80;

    /// <summary>The host, if it is an address and needs no resolution.</summary>
    public IPAddress? Address => LiteralAddress.TryParse(Host, out IPAddress address) ? address : null;

    public override string ToString() =>
        Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{Port}" : $"{Host}:{Port}";

    /// <summary>
    /// Reads `name`, `name:port`, `192.0.2.1`, `192.0.2.1:port`, `2001:db8::1`, `[2001:db8::1]` or
    /// `[2001:db8::1]:port`.
    /// </summary>
    /// <param name="text">What was given.</param>
    /// <param name="service">The service; null if there is an error.</param>
    /// <param name="error">Without the text, which may be anything; empty if there is none.</param>
    public static bool TryParse(string text, out EchoService service, out string error)
    {
        service = null!;
        if (!TrySplit(text, out ReadOnlySpan<char> host, out ReadOnlySpan<char> end, out bool isBracketed))
        {
            error = "an IPv6 address with a port is written [ADDRESS]:PORT";
            return false;
        }
        int port = DefaultPort;
        if (!end.IsEmpty && !TryParsePort(end[1..], out port))
        {
            error = "the port is not a number from 1 to 65535";
            return false;
        }

        string? canonical = Canonical(host, isBracketed);
        if (canonical is null)
        {
            error = host.IsEmpty
                ? "the host is missing"
                : "the host is neither a host name nor an IP address without scope";
            return false;
        }
        service = new EchoService(canonical, port);
        error = "";
        return true;
    }

    /// <summary>Splits off the port, with its colon, or nothing.</summary>
    private static bool TrySplit(
        ReadOnlySpan<char> text, out ReadOnlySpan<char> host, out ReadOnlySpan<char> end,
        out bool isBracketed)
    {
        host = text;
        end = default;
        isBracketed = text.StartsWith('[');
        if (isBracketed)
        {
            int bracket = text.IndexOf(']');
            if (bracket < 0)
            {
                return false;
            }
            host = text[1..bracket];
            end = text[(bracket + 1)..];
            return end.IsEmpty || end[0] == ':';
        }
        int colon = text.IndexOf(':');
        if (colon >= 0 && colon == text.LastIndexOf(':')) // more than one: an IPv6 address
        {
            host = text[..colon];
            end = text[colon..];
        }
        return true;
    }

    private static bool TryParsePort(ReadOnlySpan<char> text, out int port) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port)
        && port is >= 1 and <= 65535;

    private static string? Canonical(ReadOnlySpan<char> host, bool isBracketed)
    {
        if (LiteralAddress.TryParse(host, out IPAddress address))
        {
            bool isIpv6 = host.Contains(':');
            return isBracketed && !isIpv6 ? null : address.ToString();
        }
        return !isBracketed && DnsName.TryParse(host, out DnsName name) ? name.ToString() : null;
    }
}
