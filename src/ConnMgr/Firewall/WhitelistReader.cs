using System.Globalization;
using System.Net.Sockets;
using System.Text;
using ConnMgr.Config;
using ConnMgr.Dns;
using ConnMgr.Logging;
using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// Parses the text of a whitelist: one entry per line, surrounded by white space, with `#` comments. The
/// bytes may be hostile: each line becomes an entry or a remark, and parsing continues.
/// </summary>
internal static class WhitelistReader
{
    /// <summary>
    /// The largest number of remarks. Further ones are only counted, because the file may have any
    /// content.
    /// </summary>
    public const int MaxRemarks = 1000;

    /// <summary>The error of an address for which there is no room; reported once, not by line.</summary>
    private const string NoRoom = "no room";

    private const int LongestEntry = 254; // a name's 253 characters and a final dot
    private const int ShortestIpv4 = 8;
    private const int ShortestIpv6 = 16;

    /// <summary>Parses every valid line, and reports the others as errors.</summary>
    /// <param name="text">The file's bytes.</param>
    /// <param name="errors">Receives the lines that are not an entry, and the reason.</param>
    /// <param name="warnings">Receives harmless irregularities.</param>
    public static Whitelist Read(ReadOnlySpan<byte> text, List<Remark> errors, List<Remark> warnings)
    {
        Whitelist whitelist = new();
        Span<char> buffer = stackalloc char[LongestEntry];
        int number = 0;
        int omitted = 0;
        int firstTooMany = 0; // its line; 0 if there is none
        int tooMany = 0;
        text = text.StartsWith("\uFEFF"u8) ? text[3..] : text; // Windows editors insert it
        while (!text.IsEmpty)
        {
            number++;
            int end = text.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? text : text[..end];
            text = end < 0 ? default : text[(end + 1)..];
            int comment = line.IndexOf((byte)'#');
            line = Trim(comment < 0 ? line : line[..comment]);
            if (line.IsEmpty)
            {
                continue;
            }

            string? warning = null;
            string? error = ErrorOf(line) ?? Add(whitelist, buffer[..Widen(line, buffer)], out warning);
            if ((error ?? warning) is not { } said)
            {
                continue;
            }
            if (ReferenceEquals(error, NoRoom))
            {
                firstTooMany = tooMany++ == 0 ? number : firstTooMany;
                continue;
            }
            List<Remark> remarks = error is null ? warnings : errors;
            if (errors.Count + warnings.Count < MaxRemarks)
            {
                remarks.Add(new Remark(number, said));
            }
            else if (++omitted == 1 || remarks.Count == 0)
            {
                remarks.Add(new Remark(number, said + "; errors in later lines are not reported"));
            }
        }
        if (tooMany > 0)
        {
            int at = errors.Count;
            while (at > 0 && errors[at - 1].Line > firstTooMany)
            {
                at--;
            }
            errors.Insert(at, new Remark(
                firstTooMany,
                $"{tooMany} addresses and prefixes too many: at most {Whitelist.MaxLiterals} leave room for "
                + "the addresses of names"));
        }
        whitelist.TrimExcess();
        return whitelist;
    }

    private static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> line) => line.Trim(" \t\r\v\f"u8);

    /// <summary>Checks the length and the characters of a line. Returns the error, or null.</summary>
    private static string? ErrorOf(ReadOnlySpan<byte> line)
    {
        if (line.Length > LongestEntry)
        {
            return $"longer than any name: {line.Length} bytes";
        }
        foreach (byte letter in line)
        {
            if (letter is <= (byte)' ' or >= 0x7f)
            {
                return letter >= 0x80 ? $"not ASCII: {Quote(line)}"
                    : letter is (byte)' ' or (byte)'\t' ? $"more than one word: {Quote(line)}"
                    : $"control character: {Quote(line)}";
            }
        }
        return null;
    }

    private static string Quote(ReadOnlySpan<byte> line) => ForeignText.Quote(Encoding.UTF8.GetString(line));

    private static int Widen(ReadOnlySpan<byte> line, Span<char> text)
    {
        for (int i = 0; i < line.Length; i++)
        {
            text[i] = (char)line[i];
        }
        return line.Length;
    }

    private static string? Add(Whitelist whitelist, Span<char> text, out string? warning)
    {
        bool isAddress = text.ContainsAny('/', ':')
            || IsNumber(text[(text.TrimEnd('.').LastIndexOf('.') + 1)..]);
        string? error = isAddress
            ? AddLiteral(whitelist, text, out warning)
            : AddName(whitelist, text, out warning);
        if (error is null || ReferenceEquals(error, NoRoom))
        {
            return error;
        }
        string advice = WhitelistAdvice.For(text) is { } instead ? $"; {instead}" : "";
        return $"{error}: {ForeignText.Quote(text.ToString())}{advice}";
    }

    private static bool IsNumber(ReadOnlySpan<char> label) =>
        !label.TrimEnd('.').ContainsAnyExceptInRange('0', '9');

    private static string? AddName(Whitelist whitelist, Span<char> text, out string? warning)
    {
        warning = null;
        int star = text.IndexOf('*');
        if (star >= 0)
        {
            int dot = text.IndexOf('.');
            if (text[(star + 1)..].Contains('*') || (dot >= 0 && star > dot))
            {
                return "only one '*', and only in the left-most label";
            }
            if (dot < 0 || !text[(dot + 1)..].TrimEnd('.').Contains('.'))
            {
                return "a wildcard must keep two labels without '*'";
            }
            text[star] = 'x';
        }
        bool isName = DnsName.TryParse(text, out DnsName name);
        if (star >= 0)
        {
            text[star] = '*';
        }
        if (!isName)
        {
            return "neither a host name nor an address";
        }
        if (!whitelist.TryAdd(name, star))
        {
            warning = $"already listed: {ForeignText.Quote(text.ToString())}";
        }
        else if (WhitelistAdvice.ForName(text) is { } remark)
        {
            warning = $"{remark}: {ForeignText.Quote(text.ToString())}";
        }
        return null;
    }

    private static string? AddLiteral(Whitelist whitelist, ReadOnlySpan<char> text, out string? warning)
    {
        warning = null;
        int slash = text.IndexOf('/');
        if (!LiteralAddress.TryParse(slash < 0 ? text : text[..slash], out System.Net.IPAddress parsed))
        {
            return "not an address or prefix";
        }
        IpNumber address = IpNumber.Of(parsed);
        bool isIpv4 = parsed.AddressFamily == AddressFamily.InterNetwork;
        if (address.IsIpv4 != isIpv4)
        {
            return "an IPv4 address in IPv6 form";
        }
        int longest = isIpv4 ? 32 : 128;
        int length = longest;
        if (slash >= 0 && (!int.TryParse(text[(slash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture,
            out length)
            || length > longest))
        {
            return "not an address or prefix";
        }
        if (length < (isIpv4 ? ShortestIpv4 : ShortestIpv6))
        {
            return $"prefix shorter than /{(isIpv4 ? ShortestIpv4 : ShortestIpv6)}";
        }
        IpPrefix prefix = new(IpPrefix.Masked(address, (byte)length), (byte)length);
        if (prefix.First != address)
        {
            warning = $"means {prefix}: {ForeignText.Quote(text.ToString())}";
        }
        if (whitelist.LiteralCount >= Whitelist.MaxLiterals && !whitelist.HasLiteral(prefix))
        {
            warning = null;
            return NoRoom;
        }
        if (!whitelist.TryAdd(prefix))
        {
            warning = $"already listed: {ForeignText.Quote(text.ToString())}";
        }
        else if (System.Net.IPAddress.IsLoopback(parsed))
        {
            warning = $"{WhitelistAdvice.ForDevice}: {ForeignText.Quote(text.ToString())}";
        }
        return null;
    }
}
