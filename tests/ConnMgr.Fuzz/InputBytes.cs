namespace ConnMgr.Fuzz;

/// <summary>Takes an input apart, for the targets that need several things of it.</summary>
internal ref struct InputBytes(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _rest = bytes;

    public readonly bool IsEmpty => _rest.IsEmpty;

    /// <summary>Everything that is left.</summary>
    public readonly ReadOnlySpan<byte> Rest => _rest;

    /// <summary>The next byte; 0 at the end.</summary>
    public byte Byte()
    {
        byte value = _rest.IsEmpty ? (byte)0 : _rest[0];
        _rest = _rest.IsEmpty ? _rest : _rest[1..];
        return value;
    }

    /// <summary>The next two bytes, the more significant one first.</summary>
    public ushort UInt16() => (ushort)((Byte() << 8) | Byte());

    /// <summary>The next bytes, or what is left of them.</summary>
    public ReadOnlySpan<byte> Take(int count)
    {
        ReadOnlySpan<byte> taken = _rest[..Math.Min(count, _rest.Length)];
        _rest = _rest[taken.Length..];
        return taken;
    }
}
