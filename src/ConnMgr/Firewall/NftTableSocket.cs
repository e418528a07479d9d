using ConnMgr.EventLoop;
using ConnMgr.Net;
using ConnMgr.Netlink;
using Tmds.Linux;
using static ConnMgr.Netlink.Nftables;

namespace ConnMgr.Firewall;

/// <summary>
/// Receives each change that another program makes to the lockdown's tables, which the kernel reports as soon
/// as it is in force, and restores the tables at once to their state at the last <see cref="Remember"/>.
/// </summary>
/// <remarks>
/// The daemon does not own the table (NFT_TABLE_F_OWNER), although then no other program could change it:
/// before Linux 6.9 such a table vanishes when its owner exits, which would leave the device open. Besides,
/// init_firewall.sh, fwcfg.sh and firewall.user change it by the program nft.
/// </remarks>
internal sealed unsafe class NftTableSocket : IDisposable
{
    private const int NETLINK_NETFILTER = 12;
    private const int SO_RCVBUFFORCE = 33;
    private const int EventBuffer = 4 << 20; // bytes: another program may empty a set of thousands at once
    private const int AnswerSize = 65536; // bytes: the kernel's lists come in parts of at most 32 KiB
    private const int ReadsPerWakeUp = 64;
    private const int MostGone = 256; // addresses that are reported one by one
    private const int UndosPerWakeUp = 8; // a slow device needs 0.1 s for one, and has other work
    private const int Attempts = 5; // of a list that changes meanwhile

    private const uint PortOffset = 12; // of nlmsg_pid in struct nlmsghdr

    private readonly Loop _loop;
    private readonly Action<bool> _damaged;
    private readonly Action<IpNumber?> _elementGone;
    private readonly Action<string> _changedBy;
    private readonly NetlinkSocket _events = new(
        NETLINK_NETFILTER, AnswerSize, checkCredentials: false, NFNLGRP_NFTABLES);

    private readonly NetlinkSocket _requests = new(NETLINK_NETFILTER, AnswerSize, checkCredentials: false);
    private readonly uint[] _ownPorts;
    private readonly ulong _token;
    private readonly Deadline _reporting;
    private readonly List<IpNumber> _gone = [];
    private NftSnapshot? _snapshot;
    private uint _sequence;
    private bool _areElementsGone; // more elements than _gone holds, or prefixes
    private bool _hasUserRule;
    private bool _isReading;
    private string? _program; // that made a change, and is not reported yet
    private bool _isHarmful; // the transaction being reported changes the lockdown
    private int _undoCount;
    private int _undone = -1; // the transaction being reported, if it has been undone

    /// <param name="loop">The event loop.</param>
    /// <param name="setsPort">The netlink port id of <see cref="NftSetSocket"/>, whose changes are the
    /// daemon's own.</param>
    /// <param name="damaged">Called after another program has changed the lockdown: with true if everything
    /// but the elements of the address sets has been restored, with false if init_firewall.sh must create it
    /// again.</param>
    /// <param name="elementGone">Receives each address that another program has deleted from a set; null for
    /// prefixes, for too many addresses, or if the address is unknown.</param>
    /// <param name="changedBy">Receives the name of the program that made each change reported by the other
    /// two callbacks.</param>
    public NftTableSocket(
        Loop loop, uint setsPort, Action<bool> damaged, Action<IpNumber?> elementGone,
        Action<string> changedBy)
    {
        _loop = loop;
        _damaged = damaged;
        _elementGone = elementGone;
        _changedBy = changedBy;
        _ownPorts = [setsPort, _requests.PortId];
        int size = EventBuffer;
        // If this fails, the buffer keeps its default size.
        _ = LibC.setsockopt(_events.Fd, LibC.SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(int));
        _events.LeaveOut(PortOffset, size: 4, _ownPorts[0], _ownPorts[1]); // the daemon's own changes
        _token = loop.Add(_events.Fd, Read);
        _reporting = loop.AddTimer(Read);
    }

    /// <summary>
    /// True while init_firewall.sh runs, whose changes are not foreign: until <see cref="Remember"/>, only
    /// the deletion of the table counts.
    /// </summary>
    public bool IsPaused { get; set; }

    /// <summary>
    /// True if the last <see cref="Remember"/> found the tables as the one before it did, so no other program
    /// has changed them between the script's transaction and its end.
    /// </summary>
    public bool IsAsBefore { get; private set; }

    /// <summary>
    /// The number of chains and rules that others have added to their own tables. While the script runs, they
    /// may be those of firewall.user, and do not count.
    /// </summary>
    public int OtherChanges { get; private set; }

    /// <summary>True if the tables filter: init_firewall.sh has locked by them.</summary>
    public bool IsLockdown => _snapshot is { HasChain: true };

    /// <summary>Takes the present tables as correct. Call it when init_firewall.sh has ended.</summary>
    /// <returns>False if the table does not exist or changes continually; the previous snapshot is then
    /// kept.</returns>
    public bool Remember()
    {
        IsPaused = false;
        while (_events.Receive(out _) != Received.Nothing)
        {
            // These events are the script's. The kernel queues later changes of other programs behind them.
        }
        _gone.Clear();
        _areElementsGone = _hasUserRule = _isHarmful = false;
        _undone = -1;
        NftSnapshot? before = _snapshot;
        bool hasTable = TakeSnapshot();
        IsAsBefore = before is not null && _snapshot is not null && _snapshot.IsLike(before);
        return hasTable;
    }

    /// <summary>
    /// Ends the pause of a script that has failed, and undoes what other programs have changed meanwhile.
    /// False if that fails.
    /// </summary>
    public bool Resume()
    {
        IsPaused = false;
        return Restore();
    }

    /// <summary>Restores the remembered tables in one transaction. False if that fails.</summary>
    public bool Restore()
    {
        if (_snapshot is null)
        {
            return false;
        }
        uint first = ++_sequence;
        ReadOnlySpan<byte> batch = _snapshot.Restoring(first);
        uint last = first + (uint)_snapshot.Count;
        _sequence = last + 1;
        if (!_requests.Send(batch))
        {
            return false;
        }
        bool hasFailed = false;
        while (_requests.Receive(out ReadOnlySpan<byte> datagram) == Received.Datagram)
        {
            NetlinkReader reader = new(datagram);
            while (reader.TryRead(out NetlinkMessage message))
            {
                if (message.ErrorNumber is { } error && message.Sequence - first <= last - first)
                {
                    hasFailed |= error != 0;
                    if (message.Sequence == last || message.Sequence == first)
                    {
                        return !hasFailed;
                    }
                }
            }
        }
        return false;
    }

    private bool TakeSnapshot()
    {
        for (int i = 0; i < Attempts; i++)
        {
            NftSnapshot snapshot = new();
            if (TryRead(snapshot))
            {
                if (snapshot.HasTable)
                {
                    _snapshot = snapshot.IsTooLarge ? null : snapshot;
                }
                return snapshot.HasTable;
            }
        }
        return false;
    }

    private bool TryRead(NftSnapshot snapshot)
    {
        foreach (int type in (ReadOnlySpan<int>)[NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETSET])
        {
            if (!TryList(type, 0, default, snapshot))
            {
                return false;
            }
        }
        foreach ((byte family, byte[] name) in snapshot.Sets)
        {
            if (!TryList(NFT_MSG_GETSETELEM, family, name, snapshot))
            {
                return false;
            }
        }
        // List by family: the kernel returns the rules of the first table of that name only.
        return TryList(NFT_MSG_GETRULE, NFPROTO_INET, default, snapshot)
            && TryList(NFT_MSG_GETRULE, NFPROTO_BRIDGE, default, snapshot);
    }

    private bool TryList(int type, byte family, ReadOnlySpan<byte> set, NftSnapshot snapshot)
    {
        byte[] request = new byte[NftSetMessage.MaxSize + set.Length];
        NetlinkWriter writer = NftSetMessage.BeginRequest(request, family);
        if (type is NFT_MSG_GETSETELEM or NFT_MSG_GETRULE)
        {
            writer.Attribute(NFTA_TABLE_NAME, NftSetMessage.Table);
        }
        if (type == NFT_MSG_GETSETELEM)
        {
            writer.Attribute(NFTA_SET_ELEM_LIST_SET, set);
        }
        if (!_requests.Send(writer.Finish(NftSetMessage.Type(type), NetlinkMessage.FlagDump, ++_sequence)))
        {
            return false;
        }
        bool wasInterrupted = false;
        while (_requests.Receive(out ReadOnlySpan<byte> datagram) == Received.Datagram)
        {
            NetlinkReader reader = new(datagram);
            while (reader.TryRead(out NetlinkMessage message))
            {
                if (message.Sequence != _sequence)
                {
                    continue;
                }
                wasInterrupted |= (message.Flags & NetlinkMessage.FlagDumpInterrupted) != 0;
                if (message.ErrorNumber is { } error)
                {
                    return error == 0 && !wasInterrupted;
                }
                snapshot.Add(message);
            }
        }
        return false;
    }

    /// <summary>
    /// Restores the tables now if another program has changed them. Call it before work that takes long. A
    /// transaction is such work: it waits until no other program's transaction is in progress. The other
    /// changes are reported later.
    /// </summary>
    public void RestoreFirst()
    {
        if (!_isReading && ReadEvents())
        {
            _reporting.Set(_loop.Now);
        }
    }

    private void Read()
    {
        _isReading = true; // Act changes sets, which calls RestoreFirst
        ReadEvents();
        Act();
        _isReading = false;
        if (_program is { } program)
        {
            _program = null;
            _changedBy(program);
        }
    }

    /// <summary>Reads what the kernel has reported, and undoes it. False if there was nothing.</summary>
    private bool ReadEvents()
    {
        int before = _undoCount;
        bool hasRead = false;
        for (int i = 0; i < ReadsPerWakeUp && _undoCount - before < UndosPerWakeUp; i++)
        {
            Received received = _events.Receive(out ReadOnlySpan<byte> datagram);
            if (received == Received.Nothing)
            {
                break;
            }
            hasRead = true;
            if (received == Received.Lost && !IsPaused) // at the end of the pause, all is compared
            {
                _undone = -1;
                Undo();
            }
            NetlinkReader reader = new(datagram);
            while (reader.TryRead(out NetlinkMessage message))
            {
                Take(message);
            }
        }
        return hasRead;
    }

    private void Take(in NetlinkMessage message)
    {
        OtherChanges += !IsPaused && NftChange.IsOfOthers(message) ? 1 : 0;
        NftChangeKind kind = NftChange.Of(message, _ownPorts);
        if (kind is not (NftChangeKind.None or NftChangeKind.End)
            && NftChange.TransactionOf(message) == _undone)
        {
            return;
        }
        bool isScript = IsPaused && kind != NftChangeKind.TableDeleted;
        switch (kind)
        {
            case NftChangeKind.End:
                _program = _isHarmful ? NftChange.ProgramOf(message) : _program;
                _isHarmful = false;
                _undone = -1;
                break;
            case NftChangeKind.TableDeleted:
            case NftChangeKind.Frame when !isScript:
                // Restore the tables before reading on: each further event would cost time in which the
                // device is open. The whole transaction was in force before its first event came.
                _isHarmful = true;
                _undone = NftChange.TransactionOf(message);
                Undo();
                break;
            case NftChangeKind.UserRule when !isScript:
                _hasUserRule = true;
                break;
            case NftChangeKind.ElementsDeleted when !isScript:
                _isHarmful = true;
                Collect(message);
                break;
        }
    }

    private void Collect(in NetlinkMessage message)
    {
        NftSetMessage.Elements elements = NftSetMessage.ElementsOf(message);
        while (elements.TryRead(out NftElement element))
        {
            _gone.Add(element.Key);
        }
        _areElementsGone |= _gone.Count > MostGone || NftSetMessage.IsAboutPrefixes(message);
        if (_areElementsGone)
        {
            _gone.Clear();
        }
    }

    private void Act()
    {
        if (_hasUserRule)
        {
            _hasUserRule = false;
            TakeSnapshot();
        }
        if (_areElementsGone)
        {
            _areElementsGone = false;
            _elementGone(null);
        }
        foreach (IpNumber address in _gone)
        {
            _elementGone(address);
        }
        _gone.Clear();
    }

    private void Undo()
    {
        _undoCount++;
        _areElementsGone = _hasUserRule = false;
        _gone.Clear();
        _damaged(Restore());
    }

    public void Dispose()
    {
        _reporting.Dispose();
        _loop.Remove(_events.Fd, _token);
        _events.Dispose();
        _requests.Dispose();
    }
}
