using System.Buffers.Binary;
using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>Who uses a service, and where the service is.</summary>
internal enum AuditSource
{
    /// <summary>A program of the device uses a service elsewhere.</summary>
    Device,

    /// <summary>A host behind the bridge uses a service elsewhere, through the device.</summary>
    Host,

    /// <summary>A host behind the bridge uses a service of the device.</summary>
    HostInward,

    /// <summary>Another host uses a service of the device or of a host behind the bridge.</summary>
    Inward,
}

/// <summary>A kind of use: who, what, and how often.</summary>
internal sealed class AuditEntry
{
    public required AuditSource Source { get; init; }

    /// <summary>
    /// The user of the device's program; <see cref="AuditTable.UnknownUser"/> if not known.
    /// </summary>
    public required uint User { get; init; }

    /// <summary>The host behind the bridge; zero for a program of the device.</summary>
    public required IpNumber Host { get; init; }

    /// <summary>The name in wire format; null if no name was asked for the address.</summary>
    public required byte[]? Name { get; init; }

    /// <summary>The address of the last connection.</summary>
    public IpNumber Address { get; set; }

    /// <summary>IPPROTO_*.</summary>
    public required byte Protocol { get; init; }

    /// <summary>0 if the protocol has no ports.</summary>
    public required ushort Port { get; init; }

    /// <summary>The number of connections.</summary>
    public long Count { get; set; }
}

/// <summary>
/// The connections of an audit. Counts them by who began them, name or address, protocol and port. Keeps no
/// packet. Pure.
/// </summary>
/// <remarks>
/// Memory is bounded: at most <see cref="MaxEntries"/> kinds are kept, half of them without a name, and <see
/// cref="MaxInward"/> inward, so that a scan of addresses or ports cannot crowd out names. Uses of further
/// kinds are only counted (<see cref="UnlistedCount"/>).
/// </remarks>
internal sealed class AuditTable
{
    public const int MaxEntries = 1024;
    public const int MaxNameless = 512;
    public const int MaxInward = 128;
    public const uint UnknownUser = uint.MaxValue;

    private const int HeadSize = 1 + 4 + 16 + 1 + 2;

    private readonly NameTable _keys = new();
    private readonly List<AuditEntry> _entries = [];
    private int _nameless;
    private int _inward;

    public IReadOnlyList<AuditEntry> Entries => _entries;

    /// <summary>The number of connections of all kinds.</summary>
    public long Count { get; private set; }

    /// <summary>The number of connections of kinds for which there was no room.</summary>
    public long UnlistedCount { get; private set; }

    /// <summary>Counts a connection.</summary>
    /// <param name="source">Who began it.</param>
    /// <param name="user">The user, or <see cref="UnknownUser"/>.</param>
    /// <param name="host">The host behind the bridge, or zero.</param>
    /// <param name="name">The name of the address in wire format, or null.</param>
    /// <param name="address">The other end; for inward connections, the host that began them.</param>
    /// <param name="protocol">IPPROTO_*.</param>
    /// <param name="port">The destination's port.</param>
    public void Add(
        AuditSource source, uint user, IpNumber host, byte[]? name, IpNumber address, byte protocol,
        ushort port)
    {
        Count++;
        Span<byte> key = stackalloc byte[HeadSize + 256];
        key[0] = (byte)source;
        BinaryPrimitives.WriteUInt32BigEndian(key[1..], user);
        BinaryPrimitives.WriteUInt128BigEndian(key[5..], host.Value);
        key[21] = protocol;
        BinaryPrimitives.WriteUInt16BigEndian(key[22..], port);
        int length = HeadSize;
        bool isInward = source is AuditSource.Inward or AuditSource.HostInward;
        if (name is not null)
        {
            name.CopyTo(key[HeadSize..]);
            length += name.Length;
        }
        else if (!isInward)
        {
            key[HeadSize] = byte.MaxValue; // no label has this length
            BinaryPrimitives.WriteUInt128BigEndian(key[(HeadSize + 1)..], address.Value);
            length += 17;
        }
        key = key[..length];
        int number = _keys.Find(key, NameTable.Hash(key));
        if (number < 0)
        {
            if (_entries.Count == MaxEntries || (isInward && _inward == MaxInward)
                || (name is null && _nameless == MaxNameless))
            {
                UnlistedCount++;
                return;
            }
            _ = _keys.TryAdd(key, out number);
            _inward += isInward ? 1 : 0;
            _nameless += name is null ? 1 : 0;
            _entries.Add(new AuditEntry
            {
                Source = source,
                User = user,
                Host = host,
                Name = name,
                Protocol = protocol,
                Port = port,
            });
        }
        AuditEntry entry = _entries[number];
        entry.Count++;
        entry.Address = address;
    }
}
