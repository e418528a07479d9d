using System.Globalization;
using System.Net;
using System.Text;
using ConnMgr.Dns;
using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// The file format of saved holes: a first line with the boot id and the time, then one line per name of each
/// address. A file of another boot is ignored, because the kernel has lost its sets and connections too.
/// </summary>
internal static class HoleFile
{
    /// <summary>In bytes: enough for <see cref="Holes.MaxHoles"/> with names of usual length.</summary>
    public const int MaxSize = 4 << 20;

    private const string Title = "connmgr-holes-1";
    private const int MaxLine = 400;
    private const int LongestLine = 1200; // characters; a name with every byte written as \DDD

    /// <summary>
    /// Writes the file's text, at most <see cref="MaxSize"/> bytes; holes that do not fit are left out.
    /// Creates no strings, because DNS replies wait meanwhile.
    /// </summary>
    /// <param name="holes">The holes to save.</param>
    /// <param name="boot">The kernel's boot id.</param>
    /// <param name="now">The monotonic time since boot.</param>
    public static ReadOnlySpan<byte> Write(Holes holes, string boot, TimeSpan now)
    {
        string head = string.Create(
            CultureInfo.InvariantCulture, $"{Title} {boot} {(long)now.TotalSeconds}\n");
        int size = head.Length + LongestLine;
        for (int i = 0; i < holes.Count; i++)
        {
            foreach (HoleName name in holes[i].Names)
            {
                size += name.Wire.Length + 90; // an address, three numbers, white space
            }
        }
        byte[] text = GC.AllocateUninitializedArray<byte>(Math.Min(size, MaxSize));
        int length = Encoding.ASCII.GetBytes(head, text);
        Span<byte> address = stackalloc byte[64];
        Span<byte> bytes = stackalloc byte[16];
        for (int i = 0; i < holes.Count; i++)
        {
            Hole hole = holes[i];
            IPAddress ip = new(bytes[..hole.Address.Write(bytes)]);
            _ = ip.TryFormat(address, out int addressLength);
            foreach (HoleName name in hole.Names)
            {
                if (name.Until > now && text.Length - length >= LongestLine)
                {
                    address[..addressLength].CopyTo(text.AsSpan(length));
                    length += addressLength;
                    length += WriteNumber(Seconds(now - hole.Since), text.AsSpan(length));
                    length += WriteNumber(Seconds(name.Until - now), text.AsSpan(length));
                    length += WriteNumber(name.Lifetime, text.AsSpan(length));
                    text[length++] = (byte)' ';
                    length += DnsName.WriteText(name.Wire, text.AsSpan(length));
                    text[length++] = (byte)'\n';
                }
            }
        }
        return text.AsSpan(0, length);
    }

    private static int WriteNumber(long number, Span<byte> text)
    {
        text[0] = (byte)' ';
        _ = number.TryFormat(text[1..], out int length, default, CultureInfo.InvariantCulture);
        return 1 + length;
    }

    /// <summary>
    /// Restores the holes that are still wanted. Skips the others, and every malformed line.
    /// </summary>
    /// <param name="text">The file's content, of any bytes.</param>
    /// <param name="boot">The kernel's boot id.</param>
    /// <param name="now">The monotonic time since boot.</param>
    /// <param name="holes">Receives the holes.</param>
    /// <param name="effects">Receives the changes.</param>
    /// <returns>The number of lines restored and skipped; -1 and 0 for a file of another boot or
    /// format.</returns>
    public static (int Taken, int Skipped) Read(
        ReadOnlySpan<byte> text, string boot, TimeSpan now, Holes holes, List<HoleEffect> effects)
    {
        Span<Range> words = stackalloc Range[6];
        int taken = -1;
        int skipped = 0;
        long saved = 0;
        while (!text.IsEmpty)
        {
            int end = text.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? text : text[..end];
            text = end < 0 ? default : text[(end + 1)..];
            string chars = line.Length <= MaxLine ? Encoding.ASCII.GetString(line) : "";
            int count = chars.AsSpan().Split(words, ' ');
            if (taken < 0)
            {
                if (count != 3 || chars[words[0]] != Title || chars[words[1]] != boot
                    || !TryRead(chars.AsSpan(words[2]), out saved) || saved > now.TotalSeconds)
                {
                    return (-1, 0);
                }
                taken = 0;
            }
            else if (count == 5 && TryRestore(chars, words, saved, now, holes, effects))
            {
                taken++;
            }
            else
            {
                skipped++;
            }
        }
        return (taken, skipped);
    }

    private static bool TryRestore(
        string line, ReadOnlySpan<Range> words, long saved, TimeSpan now, Holes holes,
        List<HoleEffect> effects) =>
        LiteralAddress.TryParse(line.AsSpan(words[0]), out IPAddress address)
        && TryRead(line.AsSpan(words[1]), out long age) && age <= saved // since the boot
        && TryRead(line.AsSpan(words[2]), out long left)
        && TryRead(line.AsSpan(words[3]), out long lifetime)
        && DnsName.TryParse(line.AsSpan(words[4]), out DnsName name)
        && holes.Restore(
            name, IpNumber.Of(address), TimeSpan.FromSeconds(saved - age), TimeSpan.FromSeconds(saved + left),
            (int)lifetime, now, effects);

    private static long Seconds(TimeSpan span) => (long)Math.Max(0, span.TotalSeconds);

    private static bool TryRead(ReadOnlySpan<char> word, out long number) =>
        long.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out number)
            && number <= int.MaxValue;
}
