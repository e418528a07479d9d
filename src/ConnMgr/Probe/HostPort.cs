using System.Globalization;
using System.Net;
using ConnMgr.Dns;
using ConnMgr.Net;

namespace ConnMgr.Probe;

/// <summary>Parses HOST[:PORT], the part of a probe's URL that locates its service.</summary>
internal static class HostPort
{
    /// <summary>
    /// In characters. The longest scheme, `://`, a name of 253 letters and a port are far shorter.
    /// </summary>
    private const int MaxLength = 300;

    /// <summary>
    /// Parses `name`, `name:port`, `192.0.2.1`, `192.0.2.1:port`, `[2001:db8::1]` or `[2001:db8::1]:port`.
    /// </summary>
    /// <param name="text">The user's text.</param>
    /// <param name="defaultPort">The port of a text without one; 0 if a port is required.</param>
    /// <param name="needsBrackets">False to accept `2001:db8::1` too.</param>
    /// <param name="host">A name in lower case without a final dot, or an IP address without
    /// brackets.</param>
    /// <param name="port">1 to 65535.</param>
    /// <param name="error">What the user must write instead; empty if there is no error.</param>
    public static bool TryParse(
        ReadOnlySpan<char> text, int defaultPort, bool needsBrackets, out string host, out int port,
        out string error)
    {
        host = "";
        port = defaultPort;
        if (text.Length > MaxLength
            || !TrySplit(text, out ReadOnlySpan<char> name, out ReadOnlySpan<char> end, out bool isBracketed))
        {
            error = "write an IPv6 address with a port as [ADDRESS]:PORT";
            return false;
        }
        if (!end.IsEmpty && !TryParsePort(end[1..], out port))
        {
            error = "write the port as a number from 1 to 65535";
            return false;
        }
        if (needsBrackets && !isBracketed && name.Contains(':'))
        {
            error = "write an IPv6 address in brackets: [ADDRESS]";
            return false;
        }
        if (Canonical(name, isBracketed) is not { } canonical)
        {
            error = name.IsEmpty
                ? "write a host name or an IP address as the host"
                : "write the host as a host name, or as an IP address without scope";
            return false;
        }
        if (port == 0)
        {
            error = "write the port: HOST:PORT";
            return false;
        }
        host = canonical;
        error = "";
        return true;
    }

    /// <summary>Formats a host and port so that <see cref="TryParse"/> accepts the text.</summary>
    public static string Format(string host, int port)
    {
        string number = port.ToString(CultureInfo.InvariantCulture);
        return host.Contains(':', StringComparison.Ordinal) ? $"[{host}]:{number}" : $"{host}:{number}";
    }

    /// <summary>
    /// Splits the text into the host and the port with its colon; the second part is empty if there is no
    /// port.
    /// </summary>
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
        if (colon >= 0 && colon == text.LastIndexOf(':')) // two colons: an IPv6 address
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
