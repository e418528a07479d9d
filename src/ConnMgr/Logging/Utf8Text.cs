using System.Text;

namespace ConnMgr.Logging;

/// <summary>
/// Builds UTF-8 text in a buffer that grows up to a limit. Text beyond the limit is left out, and <see
/// cref="IsCut"/> is set. Pure.
/// </summary>
/// <param name="limit">The largest size in bytes.</param>
internal sealed class Utf8Text(int limit)
{
    private const int FirstSize = 4096;

    private byte[] _bytes = [];

    /// <summary>The length of the text in bytes.</summary>
    public int Length { get; private set; }

    /// <summary>True if a part did not fit the limit and was left out.</summary>
    public bool IsCut { get; private set; }

    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, Length);

    public void Clear()
    {
        Length = 0;
        IsCut = false;
    }

    public Utf8Text Add(ReadOnlySpan<byte> text)
    {
        if (Reserve(text.Length))
        {
            text.CopyTo(_bytes.AsSpan(Length));
            Length += text.Length;
        }
        return this;
    }

    public Utf8Text Add(ReadOnlySpan<char> text)
    {
        int size = Encoding.UTF8.GetByteCount(text);
        if (Reserve(size))
        {
            Length += Encoding.UTF8.GetBytes(text, _bytes.AsSpan(Length));
        }
        return this;
    }

    /// <summary>Adds one ASCII character.</summary>
    public Utf8Text Add(char ascii)
    {
        if (Reserve(1))
        {
            _bytes[Length++] = (byte)ascii;
        }
        return this;
    }

    /// <summary>Adds a decimal number.</summary>
    public Utf8Text Add(long number)
    {
        Span<char> digits = stackalloc char[20];
        int at = digits.Length;
        ulong rest = number < 0 ? (ulong)-number : (ulong)number;
        do
        {
            digits[--at] = (char)('0' + rest % 10);
            rest /= 10;
        }
        while (rest > 0);
        if (number < 0)
        {
            digits[--at] = '-';
        }
        return Add(digits[at..]);
    }

    /// <summary>Adds seconds with three decimals; the time must not be negative.</summary>
    public Utf8Text AddSeconds(TimeSpan time) =>
        Add(time.Ticks / TimeSpan.TicksPerSecond).Add('.').AddPadded(time.Milliseconds, 3);

    /// <summary>Adds seconds with six decimals; the time must not be negative.</summary>
    public Utf8Text AddMicroseconds(TimeSpan time) =>
        Add(time.Ticks / TimeSpan.TicksPerSecond).Add('.')
            .AddPadded((int)(time.Ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond), 6);

    /// <summary>Adds a number with leading zeros; it must not be negative.</summary>
    public Utf8Text AddPadded(int number, int width)
    {
        for (int digits = 1, rest = number / 10; digits < width; digits++, rest /= 10)
        {
            if (rest == 0)
            {
                Add('0');
            }
        }
        return Add(number);
    }

    /// <summary>
    /// Adds a time in the format of RFC 3339 with milliseconds: `2026-11-25T02:03:04.567Z`.
    /// </summary>
    public Utf8Text AddTime(DateTime utc) =>
        AddPadded(utc.Year, 4).Add('-').AddPadded(utc.Month, 2).Add('-').AddPadded(utc.Day, 2).Add('T')
            .AddClock(utc).Add('.').AddPadded(utc.Millisecond, 3).Add('Z');

    /// <summary>Adds the time of day: `02:03:04`.</summary>
    public Utf8Text AddClock(DateTime time) =>
        AddPadded(time.Hour, 2).Add(':').AddPadded(time.Minute, 2).Add(':').AddPadded(time.Second, 2);

    private bool Reserve(int size)
    {
        if (IsCut || size > limit - Length)
        {
            IsCut = true; // add nothing more, so that no part in the middle is missing
            return false;
        }
        if (Length + size > _bytes.Length)
        {
            int wanted = Math.Max(FirstSize, Math.Max(Length + size, 2 * _bytes.Length));
            Array.Resize(ref _bytes, Math.Min(limit, wanted));
        }
        return true;
    }
}
