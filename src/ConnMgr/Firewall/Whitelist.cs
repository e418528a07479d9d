using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Text;
using ConnMgr.Dns;
using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// The services that the device may contact: names, names with one `*`, addresses and prefixes. A look-up
/// does not allocate, and its time does not depend on the number of entries. Immutable once <see
/// cref="WhitelistReader"/> has read it.
/// </summary>
internal sealed class Whitelist
{
    /// <summary>
    /// The largest number of addresses and prefixes: half the capacity of a kernel set, so that as many
    /// addresses of names (<see cref="Holes.MaxHoles"/>) have room beside them.
    /// </summary>
    public const int MaxLiterals = 32768;

    private const int MaxLabels = 128; // 255 bytes of wire format have at most 127
    private const int LiteralSize = 18;

    /// <summary>Names in wire format; wildcards include their `*`.</summary>
    private readonly NameTable _names = new();

    /// <summary>By name: the position of its `*` in the wire format; 0 for no wildcard.</summary>
    private readonly List<byte> _stars = [];

    /// <summary>The parent names of wildcards: `afero.io` for `otacdn*.afero.io`.</summary>
    private readonly NameTable _parents = new();

    /// <summary>By parent: the first of the shapes of its wildcards.</summary>
    private readonly List<int> _firstShape = [];

    private readonly List<Shape> _shapes = [];

    /// <summary>
    /// Addresses and prefixes, each as one byte for the family, one for the length, and 16 for the
    /// address.
    /// </summary>
    private readonly NameTable _literals = new();

    /// <summary>The distinct prefix lengths of the literals, per family.</summary>
    private readonly List<IpPrefix> _literalLengths = [];

    public static Whitelist Empty { get; } = new();

    /// <summary>The number of entries.</summary>
    public int Count => _names.Count + _literals.Count;

    /// <summary>The number of names, wildcards included; numbered from 0.</summary>
    public int NameCount => _names.Count;

    /// <summary>The number of addresses and prefixes; numbered from 0.</summary>
    public int LiteralCount => _literals.Count;

    /// <summary>
    /// True if the name is whitelisted. A wildcard matches only characters of host names, so a matching name
    /// is safe in a log and as an argument.
    /// </summary>
    /// <param name="name">The name.</param>
    /// <param name="entry">The number of the entry, an exact one before a wildcard; -1 if there is
    /// none.</param>
    [SkipLocalsInit]
    public bool IsWanted(in DnsName name, out int entry)
    {
        ReadOnlySpan<byte> wire = name.Wire;
        Span<byte> labels = stackalloc byte[MaxLabels]; // the start of each label
        int count = 0;
        for (int at = 0; wire[at] != 0; at += 1 + wire[at])
        {
            labels[count++] = (byte)at;
        }

        uint hash = NameTable.Hash(wire[^1..]);
        int end = wire.Length - 1;
        int wildcard = -1;
        for (int i = count - 1; i >= 0; i--)
        {
            hash = NameTable.Hash(wire[labels[i]..end], hash);
            end = labels[i];
            if (i > 0 && wildcard < 0 && _parents.Find(wire[end..], hash) is >= 0 and int parent)
            {
                wildcard = FindWildcard(wire, end, wire.Slice(labels[i - 1] + 1, wire[labels[i - 1]]),
                    parent, hash);
            }
        }

        entry = _names.Find(wire, hash);
        if (entry < 0 || _stars[entry] != 0)
        {
            entry = wildcard >= 0 && name.IsHostName ? wildcard : -1;
        }
        return entry >= 0;
    }

    /// <summary>True if a literal entry covers the address.</summary>
    [SkipLocalsInit]
    public bool Covers(IpNumber address)
    {
        Span<byte> literal = stackalloc byte[LiteralSize];
        foreach (IpPrefix length in _literalLengths)
        {
            if (length.First.IsIpv4 == address.IsIpv4)
            {
                Write(literal, new IpPrefix(IpPrefix.Masked(address, length.Length), length.Length),
                    address.IsIpv4);
                if (_literals.Find(literal, NameTable.Hash(literal)) >= 0)
                {
                    return true;
                }
            }
        }
        return false;
    }

    /// <summary>True if a name has no wildcard. The daemon itself resolves such names.</summary>
    public bool IsExact(int entry) => _stars[entry] == 0;

    /// <summary>Returns the name of an exact entry.</summary>
    public DnsName NameOf(int entry)
    {
        DnsReader reader = new(_names[entry]);
        _ = DnsName.TryRead(ref reader, out DnsName name);
        return name;
    }

    /// <summary>Returns a name as in the file, in lower case.</summary>
    public string TextOf(int entry)
    {
        StringBuilder text = new();
        ReadOnlySpan<byte> rest = _names[entry];
        while (rest[0] != 0)
        {
            _ = text.Length > 0 ? text.Append('.') : text;
            _ = text.Append(Encoding.ASCII.GetString(rest.Slice(1, rest[0])));
            rest = rest[(1 + rest[0])..];
        }
        return text.ToString();
    }

    /// <summary>Returns an address or prefix.</summary>
    public IpPrefix LiteralOf(int number)
    {
        ReadOnlySpan<byte> literal = _literals[number];
        return new IpPrefix(new IpNumber(BinaryPrimitives.ReadUInt128BigEndian(literal[2..])), literal[1]);
    }

    /// <summary>True if exactly this address or prefix is an entry.</summary>
    public bool HasLiteral(IpPrefix prefix)
    {
        Span<byte> literal = stackalloc byte[LiteralSize];
        Write(literal, prefix, prefix.First.IsIpv4);
        return _literals.Find(literal, NameTable.Hash(literal)) >= 0;
    }

    /// <summary>Adds a name; false if it exists.</summary>
    /// <param name="name">The name; for a wildcard, with any letter in place of the `*`.</param>
    /// <param name="star">The number of characters before the `*`; -1 if there is none.</param>
    internal bool TryAdd(in DnsName name, int star)
    {
        Span<byte> wire = stackalloc byte[DnsName.MaxWireLength];
        name.Wire.CopyTo(wire);
        wire = wire[..name.Wire.Length];
        if (star >= 0)
        {
            wire[1 + star] = (byte)'*';
        }
        if (!_names.TryAdd(wire, out _))
        {
            return false;
        }
        _stars.Add((byte)(1 + star));
        if (star >= 0)
        {
            AddShape(wire[(1 + wire[0])..], (byte)star, (byte)(wire[0] - star - 1));
        }
        return true;
    }

    /// <summary>Adds an address or prefix; false if it exists.</summary>
    internal bool TryAdd(IpPrefix prefix)
    {
        Span<byte> literal = stackalloc byte[LiteralSize];
        Write(literal, prefix, prefix.First.IsIpv4);
        if (!_literals.TryAdd(literal, out _))
        {
            return false;
        }
        foreach (IpPrefix known in _literalLengths)
        {
            if (known.Length == prefix.Length && known.First.IsIpv4 == prefix.First.IsIpv4)
            {
                return true;
            }
        }
        _literalLengths.Add(prefix);
        return true;
    }

    /// <summary>Frees the spare capacity, because the whitelist lives as long as the daemon.</summary>
    internal void TrimExcess()
    {
        _names.TrimExcess();
        _stars.TrimExcess();
        _parents.TrimExcess();
        _firstShape.TrimExcess();
        _shapes.TrimExcess();
        _literals.TrimExcess();
    }

    private static void Write(Span<byte> literal, IpPrefix prefix, bool isIpv4)
    {
        literal[0] = (byte)(isIpv4 ? 4 : 6);
        literal[1] = prefix.Length;
        BinaryPrimitives.WriteUInt128BigEndian(literal[2..], prefix.First.Value);
    }

    private void AddShape(ReadOnlySpan<byte> parent, byte before, byte after)
    {
        if (_parents.TryAdd(parent, out int number))
        {
            _firstShape.Add(-1);
        }
        for (int i = _firstShape[number]; i >= 0; i = _shapes[i].Next)
        {
            if (_shapes[i].Before == before && _shapes[i].After == after)
            {
                return;
            }
        }
        _shapes.Add(new Shape(before, after, _firstShape[number]));
        _firstShape[number] = _shapes.Count - 1;
    }

    /// <summary>
    /// Finds a wildcard under this parent that matches the name; -1 if there is none. For each shape of the
    /// parent's wildcards, builds the wildcard that would match, and looks it up.
    /// </summary>
    /// <param name="wire">The name.</param>
    /// <param name="at">Where the parent begins in the name.</param>
    /// <param name="last">The label before the parent.</param>
    /// <param name="parent">The parent's number.</param>
    /// <param name="hash">The parent's hash.</param>
    [SkipLocalsInit]
    private int FindWildcard(ReadOnlySpan<byte> wire, int at, ReadOnlySpan<byte> last, int parent, uint hash)
    {
        Span<byte> pattern = stackalloc byte[2 * DnsName.MaxWireLength];
        ReadOnlySpan<byte> first = wire.Slice(1, wire[0]);
        for (int i = _firstShape[parent]; i >= 0; i = _shapes[i].Next)
        {
            (int before, int after) = (_shapes[i].Before, _shapes[i].After);
            // The `*` matches at least one character: a dot if there are several labels, else a letter.
            if (first.Length < before || last.Length < after
                || (1 + first.Length == at && first.Length < before + 1 + after))
            {
                continue;
            }
            int size = 1 + before + 1 + after;
            pattern[0] = (byte)(size - 1);
            first[..before].CopyTo(pattern[1..]);
            pattern[1 + before] = (byte)'*';
            last[^after..].CopyTo(pattern[(2 + before)..]);
            wire[at..].CopyTo(pattern[size..]);
            int entry = _names.Find(pattern[..(size + wire.Length - at)],
                NameTable.Hash(pattern[..size], hash));
            if (entry >= 0)
            {
                return entry;
            }
        }
        return -1;
    }

    /// <summary>The number of characters before and after the `*` in the left-most label.</summary>
    private readonly record struct Shape(byte Before, byte After, int Next);
}
