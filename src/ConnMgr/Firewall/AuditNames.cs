using ConnMgr.Dns;
using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// The names that were asked for each address, for the audit. Of several names of an address it keeps the one
/// that was asked last, separately for the device and for hosts behind the bridge. Pure.
/// </summary>
/// <remarks>
/// Memory is bounded: there are two generations of at most <see cref="MaxKeys"/> addresses and aliases. When
/// the younger one is full, it takes the place of the older one, whose names are forgotten.
/// </remarks>
internal sealed class AuditNames
{
    /// <summary>The largest number of addresses and aliases in a generation.</summary>
    public const int MaxKeys = 1024;

    private const byte OfDevice = 0;
    private const byte OfHost = 1;
    private const byte Alias = 2;

    private NameTable _keys = new();
    private NameTable _oldKeys = new();
    private List<byte[]> _names = []; // in wire format, by the number of the key
    private List<byte[]> _oldNames = [];

    /// <summary>
    /// Learns the addresses of the name that was asked. An alias counts as the name that led to it: some
    /// resolvers ask for each step of a chain.
    /// </summary>
    public void Learn(in DnsAnswer answer)
    {
        Span<byte> key = stackalloc byte[1 + DnsName.MaxWireLength];
        ReadOnlySpan<byte> asked = answer.Question.Name.Wire;
        ReadOnlySpan<byte> first = asked;
        for (int i = 0; i < AliasTable.MaxSteps && Find(KeyOf(key, Alias, first)) is { } owner; i++)
        {
            first = owner;
        }
        foreach (ref readonly DnsAlias alias in answer.Aliases)
        {
            if (!alias.Target.Wire.SequenceEqual(first))
            {
                Put(KeyOf(key, Alias, alias.Target.Wire), first);
            }
        }
        foreach (ref readonly DnsAddress address in answer.Addresses)
        {
            Put(KeyOf(key, answer.IsOfDevice ? OfDevice : OfHost, address.Bytes), first);
        }
    }

    /// <summary>
    /// Returns the name of an address in wire format; null if no name was asked for it. The name that the
    /// same side has asked counts first.
    /// </summary>
    public byte[]? NameOf(IpNumber address, bool isOfDevice)
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes = bytes[..address.Write(bytes)];
        Span<byte> key = stackalloc byte[17];
        return Find(KeyOf(key, isOfDevice ? OfDevice : OfHost, bytes))
            ?? Find(KeyOf(key, isOfDevice ? OfHost : OfDevice, bytes));
    }

    private static Span<byte> KeyOf(Span<byte> key, byte kind, ReadOnlySpan<byte> bytes)
    {
        key[0] = kind;
        bytes.CopyTo(key[1..]);
        return key[..(1 + bytes.Length)];
    }

    private byte[]? Find(ReadOnlySpan<byte> key)
    {
        uint hash = NameTable.Hash(key);
        int number = _keys.Find(key, hash);
        if (number >= 0)
        {
            return _names[number];
        }
        number = _oldKeys.Find(key, hash);
        return number >= 0 ? _oldNames[number] : null;
    }

    private void Put(ReadOnlySpan<byte> key, ReadOnlySpan<byte> name)
    {
        if (_keys.Count == MaxKeys && _keys.Find(key, NameTable.Hash(key)) < 0)
        {
            (_oldKeys, _oldNames) = (_keys, _names);
            (_keys, _names) = (new NameTable(), []);
        }
        if (_keys.TryAdd(key, out int number))
        {
            _names.Add(name.ToArray());
        }
        else if (!_names[number].AsSpan().SequenceEqual(name))
        {
            _names[number] = name.ToArray();
        }
    }
}
