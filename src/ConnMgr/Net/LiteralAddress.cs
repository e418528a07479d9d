using System.Buffers;
using System.Net;
using System.Net.Sockets;

namespace ConnMgr.Net;

/// <summary>
/// Parses an IP address in plain text form: no port, brackets or scope; IPv4 as four decimal numbers without
/// leading zeros. .NET alone also accepts `1`, `0x7f.1` and `[::1]:80`, and asks the kernel for the number of
/// a scope.
/// </summary>
internal static class LiteralAddress
{
    private static readonly SearchValues<char> Ipv6Letters = SearchValues.Create("0123456789abcdefABCDEF:.");

    /// <summary>Parses an address. Returns false for any other text.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out IPAddress address)
    {
        address = IPAddress.None;
        if (text.ContainsAnyExcept(Ipv6Letters) || !IPAddress.TryParse(text, out IPAddress? parsed)
            || (parsed.AddressFamily == AddressFamily.InterNetwork && !text.SequenceEqual(parsed.ToString())))
        {
            return false;
        }
        address = parsed;
        return true;
    }
}
