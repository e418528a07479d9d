using ConnMgr.EventLoop;
using ConnMgr.Native;
using ConnMgr.Netlink;
using Tmds.Linux;

namespace ConnMgr.Firewall;

/// <summary>
/// Detects changes of the filter tables. nf_tables sends an event for each change. The legacy tables send
/// none, so their rules, without the counters, are hashed and compared.
/// </summary>
internal sealed unsafe class RulesetSocket : IDisposable
{
    private const int NETLINK_NETFILTER = 12;
    private const int NFNLGRP_NFTABLES = 7;
    private const int IPT_SO_GET_INFO = 64; // <linux/netfilter_ipv4/ip_tables.h>, IPPROTO_IP
    private const int IPT_SO_GET_ENTRIES = 65; // the same numbers with IPPROTO_IPV6: ip6_tables.h
    private const int IPPROTO_RAW = 255;
    private const int TableNameSize = 32; // XT_TABLE_MAXNAMELEN
    private const int InfoSize = 84; // struct ipt_getinfo
    private const int InfoSizeOffset = 80; // offset of its member size
    private const int EntriesHeader = 40; // struct ipt_get_entries: name, size, padding to 8 bytes
    private const int LargestTable = 16 << 20; // bytes
    private const int ReadsPerWakeUp = 64;

    private readonly Loop _loop;
    private readonly Action _changed;
    private readonly NetlinkSocket _events =
        new(NETLINK_NETFILTER, checkCredentials: false, NFNLGRP_NFTABLES);
    private readonly Func<bool> _mayBeOwn;
    private readonly ulong _token;
    private readonly int[] _raw = [-1, -1]; // IPv4, IPv6
    private readonly ulong[] _remembered = new ulong[2];
    private readonly ulong[] _frames = new ulong[2]; // without the rules of single addresses
    private int _frameEvents; // of nf_tables, since Remember
    private bool _hasNftChanged;
    private bool _hasNftFrameChanged;

    /// <param name="loop">The event loop, where nf_tables' events arrive.</param>
    /// <param name="mayBeOwn">True while a script of ours changes the rules.</param>
    /// <param name="changed">Called on an event after which <see cref="HasChanged"/> is true, and perhaps
    /// <see cref="HasFrameChanged"/>.</param>
    public RulesetSocket(Loop loop, Func<bool> mayBeOwn, Action changed)
    {
        _loop = loop;
        _mayBeOwn = mayBeOwn;
        _changed = changed;
        for (int i = 0; i < 2; i++)
        {
            int type = LibC.SOCK_RAW | LibC.SOCK_CLOEXEC | LibC.SOCK_NONBLOCK;
            _raw[i] = LibC.socket(i == 0 ? LibC.AF_INET : LibC.AF_INET6, type, IPPROTO_RAW);
            if (_raw[i] < 0)
            {
                Errno.ThrowIfShortage(Errno.Last, "socket");
            }
        }
        _token = loop.Add(_events.Fd, Read);
    }

    /// <summary>
    /// The number of chains and rules that others have added to tables of nf_tables. What is added while a
    /// script of ours runs does not count, because iptables-nft uses the same tables.
    /// </summary>
    public int OtherChanges { get; private set; }

    /// <summary>Takes the present rules as correct. Call it after our own changes.</summary>
    /// <returns>The number of nf_tables events since the last call, and the fingerprints of the legacy
    /// tables, both without the rules of single addresses. After two runs of the same script the results are
    /// equal, unless another program has changed other rules during one of the runs.</returns>
    public (int Events, ulong Ipv4, ulong Ipv6) Remember()
    {
        Drain(int.MaxValue, isOwn: true);
        int events = _frameEvents;
        _frameEvents = 0;
        _hasNftChanged = _hasNftFrameChanged = false;
        for (int family = 0; family < 2; family++)
        {
            (_remembered[family], _frames[family]) = LegacyFingerprints(family);
        }
        return (events, _frames[0], _frames[1]);
    }

    /// <summary>True if a filter table has changed since <see cref="Remember"/>. It is cheap.</summary>
    public bool HasChanged() =>
        _hasNftChanged || LegacyFingerprints(0).All != _remembered[0]
            || LegacyFingerprints(1).All != _remembered[1];

    /// <summary>
    /// True if more than the rules of single addresses has changed since <see cref="Remember"/>.
    /// </summary>
    public bool HasFrameChanged()
    {
        Drain(int.MaxValue, _mayBeOwn());
        return _hasNftFrameChanged || LegacyFingerprints(0).Frame != _frames[0]
            || LegacyFingerprints(1).Frame != _frames[1];
    }

    private void Read()
    {
        (bool had, bool hadFrame) = (_hasNftChanged, _hasNftFrameChanged);
        Drain(ReadsPerWakeUp, _mayBeOwn());
        if (had != _hasNftChanged || hadFrame != _hasNftFrameChanged)
        {
            _changed();
        }
    }

    private void Drain(int most, bool isOwn)
    {
        for (int i = 0; i < most; i++)
        {
            switch (_events.Receive(out ReadOnlySpan<byte> datagram))
            {
                case Received.Nothing:
                    return;
                case Received.Lost:
                    _hasNftChanged = _hasNftFrameChanged = true;
                    _frameEvents += 1 << 20; // differs from every run without a loss
                    break;
                case Received.Datagram:
                    NetlinkReader messages = new(datagram);
                    while (messages.TryRead(out NetlinkMessage message))
                    {
                        RulesetChange change = NftEvent.ChangeOf(message);
                        _hasNftChanged |= change != RulesetChange.None;
                        OtherChanges += !isOwn && NftChange.IsOfOthers(message) ? 1 : 0;
                        _hasNftFrameChanged |= change == RulesetChange.Frame;
                        _frameEvents += change == RulesetChange.Frame ? 1 : 0;
                    }
                    break;
            }
        }
    }

    /// <summary>
    /// FNV-1a over the table's rules; 0 if there is no such table. If the table is too large, only its size
    /// counts. Reads /proc first, because asking the kernel for an absent table would create it.
    /// </summary>
    private (ulong All, ulong Frame) LegacyFingerprints(int family)
    {
        (ulong, ulong) fingerprints = default;
        // The table may change between the two calls of an attempt.
        for (int i = 0; i < 3 && !TryFingerprint(family, out fingerprints); i++)
        {
        }
        return fingerprints;
    }

    private bool TryFingerprint(int family, out (ulong All, ulong Frame) fingerprints)
    {
        fingerprints = default;
        string names = family == 0 ? "/proc/net/ip_tables_names" : "/proc/net/ip6_tables_names";
        if (_raw[family] < 0 || SmallFile.Read(names, 4096, out _, out _) is not { } text
            || !$"\n{text}".Contains("\nfilter\n", StringComparison.Ordinal))
        {
            return true;
        }
        int level = family == 0 ? LibC.IPPROTO_IP : LibC.IPPROTO_IPV6;
        byte* info = stackalloc byte[InfoSize];
        new Span<byte>(info, InfoSize).Clear();
        "filter"u8.CopyTo(new Span<byte>(info, TableNameSize));
        socklen_t length = InfoSize;
        if (LibC.getsockopt(_raw[family], level, IPT_SO_GET_INFO, info, &length) < 0)
        {
            return true;
        }
        uint size = *(uint*)(info + InfoSizeOffset);
        if (size > LargestTable)
        {
            fingerprints = (size, 1);
            return true;
        }
        // Zeroed: the kernel does not write the bytes after a name's end.
        byte[] table = new byte[EntriesHeader + (int)size];
        fixed (byte* bytes = table)
        {
            new Span<byte>(bytes, EntriesHeader).Clear();
            "filter"u8.CopyTo(new Span<byte>(bytes, TableNameSize));
            *(uint*)(bytes + TableNameSize) = size;
            length = table.Length;
            if (LibC.getsockopt(_raw[family], level, IPT_SO_GET_ENTRIES, bytes, &length) < 0)
            {
                return Errno.Last != Errno.EAGAIN;
            }
            ReadOnlySpan<byte> entries = table.AsSpan(EntriesHeader);
            fingerprints = (LegacyTable.Fingerprint(entries, family == 1),
                LegacyTable.FrameFingerprint(entries, family == 1));
            return true;
        }
    }

    public void Dispose()
    {
        _loop.Remove(_events.Fd, _token);
        _events.Dispose();
        foreach (int fd in _raw)
        {
            if (fd >= 0)
            {
                _ = LibC.close(fd);
            }
        }
    }
}
