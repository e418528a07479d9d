namespace ConnMgr.Firewall;

/// <summary>
/// A set of byte strings (mostly names in wire format), numbered in the order of addition. A look-up takes
/// constant time and does not allocate. Strings are never removed.
/// </summary>
internal sealed class NameTable
{
    private const uint HashOfNothing = 2166136261;

    private byte[] _bytes = new byte[256];
    private int[] _ends = new int[8];
    private Slot[] _slots = new Slot[16]; // open addressing, at most three quarters of them taken

    public int Count { get; private set; }

    /// <summary>Returns a string by its number, from 0.</summary>
    public ReadOnlySpan<byte> this[int number]
    {
        get
        {
            int start = number == 0 ? 0 : _ends[number - 1];
            return _bytes.AsSpan(start, _ends[number] - start);
        }
    }

    /// <summary>
    /// FNV-1a from the last byte to the first, so that the hash of a suffix can be extended to that of the
    /// whole name.
    /// </summary>
    /// <param name="bytes">The bytes before the suffix.</param>
    /// <param name="suffix">The hash of the suffix.</param>
    public static uint Hash(ReadOnlySpan<byte> bytes, uint suffix = HashOfNothing)
    {
        for (int i = bytes.Length - 1; i >= 0; i--)
        {
            suffix = (suffix ^ bytes[i]) * 16777619;
        }
        return suffix;
    }

    /// <summary>Returns the number of a string; -1 if it is absent.</summary>
    /// <param name="bytes">The string.</param>
    /// <param name="hash">Its <see cref="Hash"/>.</param>
    public int Find(ReadOnlySpan<byte> bytes, uint hash)
    {
        for (uint at = hash; ; at++)
        {
            Slot slot = _slots[at & (uint)(_slots.Length - 1)];
            if (slot.Taken == 0)
            {
                return -1;
            }
            if (slot.Hash == hash && this[slot.Taken - 1].SequenceEqual(bytes))
            {
                return slot.Taken - 1;
            }
        }
    }

    /// <summary>Adds a string; false if it exists. Returns its number in either case.</summary>
    public bool TryAdd(ReadOnlySpan<byte> bytes, out int number)
    {
        uint hash = Hash(bytes);
        number = Find(bytes, hash);
        if (number >= 0)
        {
            return false;
        }
        number = Count++;
        int start = number == 0 ? 0 : _ends[number - 1];
        if (start + bytes.Length > _bytes.Length)
        {
            Array.Resize(ref _bytes, (2 * _bytes.Length) + bytes.Length);
        }
        if (number == _ends.Length)
        {
            Array.Resize(ref _ends, 2 * number);
        }
        bytes.CopyTo(_bytes.AsSpan(start));
        _ends[number] = start + bytes.Length;
        if (Count > _slots.Length / 4 * 3)
        {
            Slot[] old = _slots;
            _slots = new Slot[2 * old.Length];
            foreach (Slot slot in old)
            {
                if (slot.Taken != 0)
                {
                    Place(slot);
                }
            }
        }
        Place(new Slot(hash, Count));
        return true;
    }

    /// <summary>Frees the spare capacity.</summary>
    public void TrimExcess()
    {
        Array.Resize(ref _ends, Math.Max(1, Count));
        Array.Resize(ref _bytes, _ends[^1]);
    }

    private void Place(Slot taken)
    {
        uint at = taken.Hash & (uint)(_slots.Length - 1);
        while (_slots[at].Taken != 0)
        {
            at = (at + 1) & (uint)(_slots.Length - 1);
        }
        _slots[at] = taken;
    }

    /// <param name="Hash">The hash of the string.</param>
    /// <param name="Taken">The string's number plus 1; 0 if the slot is free.</param>
    private readonly record struct Slot(uint Hash, int Taken);
}
