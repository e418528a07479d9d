namespace ConnMgr.Dns;

/// <summary>
/// Reassembles one direction of a TCP connection from segments that may be lost, repeated, late or forged.
/// Stores only bytes that are not contiguous yet, or do not form a whole message yet.
/// </summary>
/// <remarks>
/// Repeated bytes must be equal: it is unknown which version the receiver uses, so a contradiction makes the
/// stream lost. The stream is also lost if it has more gaps than <see cref="MaxGaps"/> or more stored bytes
/// than <see cref="MaxWindow"/>.
/// </remarks>
internal sealed class TcpStream
{
    /// <summary>
    /// The largest number of bytes stored after the last whole message: two of the largest messages.
    /// </summary>
    public const int MaxWindow = 2 * (sizeof(ushort) + ushort.MaxValue);

    /// <summary>The largest number of separate pieces stored while bytes before them are missing.</summary>
    public const int MaxGaps = 16;

    private const int FirstSize = 2048;

    private readonly int[] _starts = new int[MaxGaps]; // of pieces after _contiguous, ascending, not adjacent
    private readonly int[] _ends = new int[MaxGaps];
    private byte[] _bytes = [];
    private int _contiguous; // bytes available from _base on
    private int _pieces;
    private uint _base; // sequence number of the first byte that has not been taken

    /// <summary>True if the start of the stream was seen, so that message boundaries are known.</summary>
    public bool IsStarted { get; private set; }

    /// <summary>True if the stream was given up.</summary>
    public bool IsLost { get; private set; }

    /// <summary>The number of bytes of memory in use.</summary>
    public int Size => _bytes.Length;

    /// <summary>The sequence number of the SYN.</summary>
    public uint InitialSequence { get; private set; }

    /// <summary>Starts the stream with the sequence number of its SYN; the first byte follows it.</summary>
    public void Start(uint initialSequence)
    {
        InitialSequence = initialSequence;
        _base = initialSequence + 1;
        IsStarted = true;
        IsLost = false;
        Clear();
    }

    /// <summary>Forgets the stream.</summary>
    public void Reset()
    {
        IsStarted = IsLost = false;
        Clear();
    }

    /// <summary>Gives up the stream and releases its memory.</summary>
    public void Lose()
    {
        IsLost = true;
        Clear();
    }

    /// <summary>
    /// True if bytes are missing before a segment, so that <see cref="Accept"/> can only store it, or ignores
    /// it.
    /// </summary>
    /// <param name="sequence">The sequence number of the segment's first byte.</param>
    public bool IsBroken(uint sequence) =>
        IsStarted && (IsLost || unchecked((int)(sequence - _base)) > _contiguous);

    /// <summary>
    /// Continues the stream with a segment that begins a message, without waiting for the missing bytes
    /// before it.
    /// </summary>
    /// <param name="sequence">The sequence number of the segment's first byte.</param>
    public void Resume(uint sequence)
    {
        IsLost = false;
        _base = sequence;
        Clear();
    }

    /// <summary>
    /// Processes a segment. Returns the bytes that can be read from where <see cref="Advance"/> ended; empty
    /// if there are no new ones.
    /// </summary>
    /// <param name="sequence">The sequence number of the segment's first byte.</param>
    /// <param name="segment">The segment's bytes, of any length.</param>
    public ReadOnlySpan<byte> Accept(uint sequence, ReadOnlySpan<byte> segment)
    {
        if (!IsStarted || IsLost)
        {
            return default;
        }
        int at = unchecked((int)(sequence - _base));
        if (at < 0)
        {
            // A retransmission, complete or partial.
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
            return segment; // the usual case: copy nothing
        }
        int before = _contiguous;
        if (!TryKeep(at, segment))
        {
            Lose();
            return default;
        }
        return _contiguous > before ? _bytes.AsSpan(0, _contiguous) : default;
    }

    /// <summary>Drops the bytes that were read and stores the rest.</summary>
    /// <param name="taken">The number of bytes read.</param>
    /// <param name="available">The result of <see cref="Accept"/>.</param>
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

    /// <summary>True if the stored bytes between these offsets equal those of the segment.</summary>
    private bool AgreesWith(int start, int end, int at, ReadOnlySpan<byte> segment)
    {
        int from = Math.Max(start, at);
        int length = Math.Min(end, at + segment.Length) - from;
        return length <= 0 || _bytes.AsSpan(from, length).SequenceEqual(segment.Slice(from - at, length));
    }

    /// <summary>Marks the bytes between these offsets as stored.</summary>
    private bool TryMerge(int start, int end)
    {
        // Merge adjacent pieces.
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
