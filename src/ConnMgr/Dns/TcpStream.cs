namespace ConnMgr.Dns;

/// <summary>
/// One direction of a TCP connection, put together from segments that may be lost, repeated, late, or lie. Keeps what is
/// not contiguous yet, or not a whole message yet, and nothing else.
/// </summary>
/// <remarks>
/// Where a byte comes twice, both must be the same: what the receiver makes of a contradiction cannot be known, so the
/// stream is given up. So it is when more is missing than <see cref="MaxGaps"/> or <see cref="MaxWindow"/> allow.
/// </remarks>
internal sealed class TcpStream
{
    /// <summary>Bytes behind the last whole message that are kept at most: two of the largest messages.</summary>
    public const int MaxWindow = 2 * (sizeof(ushort) + ushort.MaxValue);

    /// <summary>Pieces that are kept at most while something before them is missing.</summary>
    public const int MaxGaps = 16;

    private const int FirstSize = 2048;

    private readonly int[] _starts = new int[MaxGaps]; // of pieces beyond _contiguous, ascending, apart from each other
    private readonly int[] _ends = new int[MaxGaps];
    private byte[] _bytes = [];
    private int _contiguous; // bytes from _base on that are there
    private int _pieces;
    private uint _base; // sequence number of the first byte that has not been taken

    /// <summary>Whether its beginning was seen, so that messages can be told from each other.</summary>
    public bool IsStarted { get; private set; }

    /// <summary>Given up.</summary>
    public bool IsLost { get; private set; }

    /// <summary>Bytes of memory that it keeps.</summary>
    public int Size => _bytes.Length;

    /// <summary>The sequence number of the SYN.</summary>
    public uint InitialSequence { get; private set; }

    public void Start(uint initialSequence)
    {
        InitialSequence = initialSequence;
        _base = initialSequence + 1;
        IsStarted = true;
        IsLost = false;
        Clear();
    }

    /// <summary>Forgets everything.</summary>
    public void Reset()
    {
        IsStarted = IsLost = false;
        Clear();
    }

    /// <summary>Gives it up, and its memory.</summary>
    public void Lose()
    {
        IsLost = true;
        Clear();
    }

    /// <summary>
    /// Takes a segment. What can be read now, from where <see cref="Advance"/> ended; empty if there is nothing new.
    /// </summary>
    /// <param name="sequence">Of its first byte.</param>
    /// <param name="segment">Of any length.</param>
    public ReadOnlySpan<byte> Accept(uint sequence, ReadOnlySpan<byte> segment)
    {
        if (!IsStarted || IsLost)
        {
            return default;
        }
        int at = unchecked((int)(sequence - _base));
        if (at < 0)
        {
            // Sent once more, wholly or in part.
            if (segment.Length <= -(long)at)
            {
                return default;
            }
            segment = segment[-at..];
            at = 0;
        }
        if (segment.IsEmpty)
        {
            return default;
        }
        if (at == 0 && _contiguous == 0 && _pieces == 0)
        {
            return segment; // as nearly always: nothing is copied
        }
        int before = _contiguous;
        if (!TryKeep(at, segment))
        {
            Lose();
            return default;
        }
        return _contiguous > before ? _bytes.AsSpan(0, _contiguous) : default;
    }

    /// <summary>Leaves what was read behind, and keeps the rest.</summary>
    /// <param name="taken">How many bytes were read.</param>
    /// <param name="available">What <see cref="Accept"/> returned.</param>
    public void Advance(int taken, ReadOnlySpan<byte> available)
    {
        _base = unchecked(_base + (uint)taken);
        if (_contiguous == 0 && _pieces == 0)
        {
            if (taken < available.Length && !TryKeep(0, available[taken..]))
            {
                Lose();
            }
            return;
        }
        if (taken == 0)
        {
            return;
        }
        int end = _pieces > 0 ? _ends[_pieces - 1] : _contiguous;
        _bytes.AsSpan(taken, end - taken).CopyTo(_bytes);
        _contiguous -= taken;
        for (int i = 0; i < _pieces; i++)
        {
            _starts[i] -= taken;
            _ends[i] -= taken;
        }
        if (_contiguous == 0 && _pieces == 0)
        {
            Clear();
        }
    }

    private void Clear()
    {
        _bytes = [];
        _contiguous = _pieces = 0;
    }

    private bool TryKeep(int at, ReadOnlySpan<byte> segment)
    {
        if (at > MaxWindow || segment.Length > MaxWindow - at)
        {
            return false;
        }
        int end = at + segment.Length;
        Grow(end);
        if (!AgreesWith(0, _contiguous, at, segment))
        {
            return false;
        }
        for (int i = 0; i < _pieces; i++)
        {
            if (!AgreesWith(_starts[i], _ends[i], at, segment))
            {
                return false;
            }
        }
        segment.CopyTo(_bytes.AsSpan(at));
        return TryMerge(at, end);
    }

    /// <summary>Whether what is there between these two places is what the segment has there.</summary>
    private bool AgreesWith(int start, int end, int at, ReadOnlySpan<byte> segment)
    {
        int from = Math.Max(start, at);
        int length = Math.Min(end, at + segment.Length) - from;
        return length <= 0 || _bytes.AsSpan(from, length).SequenceEqual(segment.Slice(from - at, length));
    }

    /// <summary>Notes that the bytes between these two places are there.</summary>
    private bool TryMerge(int start, int end)
    {
        // Pieces that touch it become part of it.
        int kept = 0;
        for (int i = 0; i < _pieces; i++)
        {
            if (_starts[i] <= end && _ends[i] >= start)
            {
                start = Math.Min(start, _starts[i]);
                end = Math.Max(end, _ends[i]);
                continue;
            }
            _starts[kept] = _starts[i];
            _ends[kept++] = _ends[i];
        }
        _pieces = kept;
        if (start <= _contiguous)
        {
            _contiguous = Math.Max(_contiguous, end);
            return true;
        }
        if (_pieces == MaxGaps)
        {
            return false;
        }
        int place = _pieces++;
        for (; place > 0 && _starts[place - 1] > start; place--)
        {
            _starts[place] = _starts[place - 1];
            _ends[place] = _ends[place - 1];
        }
        _starts[place] = start;
        _ends[place] = end;
        return true;
    }

    private void Grow(int size)
    {
        int grown = Math.Max(FirstSize, _bytes.Length);
        while (grown < size)
        {
            grown = Math.Min(2 * grown, MaxWindow);
        }
        if (grown > _bytes.Length)
        {
            Array.Resize(ref _bytes, grown);
        }
    }
}
