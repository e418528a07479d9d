using System.Text;

namespace ConnMgr.Logging;

/// <summary>
/// Text for somebody else, as UTF-8 in a buffer that grows up to a limit. What would go beyond it is left out, and
/// <see cref="IsCut"/> says so. Pure.
/// </summary>
/// <param name="limit">In bytes.</param>
internal sealed class Utf8Text(int limit)
{
    private const int FirstSize = 4096;

    private byte[] _bytes = [];

    public int Length { get; private set; }

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

    public Utf8Text Add(char ascii)
    {
        if (Reserve(1))
        {
            _bytes[Length++] = (byte)ascii;
        }
        return this;
    }

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

    /// <summary>Seconds with three digits behind the point, for what is not negative.</summary>
    public Utf8Text AddSeconds(TimeSpan time) =>
        Add(time.Ticks / TimeSpan.TicksPerSecond).Add('.').AddPadded(time.Milliseconds, 3);

    /// <summary>Seconds with six digits behind the point, for what is not negative.</summary>
    public Utf8Text AddMicroseconds(TimeSpan time) =>
        Add(time.Ticks / TimeSpan.TicksPerSecond).Add('.')
            .AddPadded((int)(time.Ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond), 6);

    /// <summary>A number that is not negative, with leading zeros.</summary>
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

    /// <summary>RFC 3339 with milliseconds: `2026-11-25T02:03:04.567Z`.</summary>
    public Utf8Text AddTime(DateTime utc) =>
        AddPadded(utc.Year, 4).Add('-').AddPadded(utc.Month, 2).Add('-').AddPadded(utc.Day, 2).Add('T')
            .AddClock(utc).Add('.').AddPadded(utc.Millisecond, 3).Add('Z');

    /// <summary>`02:03:04`.</summary>
    public Utf8Text AddClock(DateTime time) =>
        AddPadded(time.Hour, 2).Add(':').AddPadded(time.Minute, 2).Add(':').AddPadded(time.Second, 2);

    private bool Reserve(int size)
    {
        if (IsCut || size > limit - Length)
        {
            IsCut = true; // from here on nothing more, so that no piece is missing in between
            return false;
        }
        if (Length + size > _bytes.Length)
        {
            Array.Resize(ref _bytes, Math.Min(limit, Math.Max(FirstSize, Math.Max(Length + size, 2 * _bytes.Length))));
        }
        return true;
    }
}
