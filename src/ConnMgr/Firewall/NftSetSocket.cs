using System.ComponentModel;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Firewall;

/// <summary>
/// Fills the address sets of the table `inet connmgr`, which the lockdown's rules match. The kernel handles a
/// request while it is sent, and its answer is there at once: when a call returns, the change is in force.
/// </summary>
/// <remarks>
/// Linux from 6.12 on gives an existing element a new time-out. Older kernels leave it unchanged; there the
/// element is added (so that it exists in any case), deleted, and added again. That is one transaction, so no
/// packet sees an intermediate state.
/// </remarks>
internal sealed partial class NftSetSocket : IDisposable
{
    private const int NETLINK_NETFILTER = 12;
    private const int ENOENT = Errno.ENOENT;
    private const int EEXIST = 17;
    private const int ENFILE = 23;

    /// <summary>
    /// In bytes. The kernel returns a list in parts of a page, or of this size on machines with larger
    /// pages.
    /// </summary>
    private const int AnswerSize = 8192;

    /// <summary>
    /// In bytes. The kernel takes about a millisecond for a transaction of this size on a small board.
    /// </summary>
    private const int BatchSize = 16384;

    /// <summary>The smallest message of a transaction, in bytes.</summary>
    private const int LeastSize = 64;

    private const int MessagesPerEffect = 3;

    /// <summary>
    /// How many times a list is requested again after a change of the rules has interrupted it.
    /// </summary>
    private const int ListAttempts = 5;

    /// <summary>
    /// An address of a documentation network (RFC 5737) that no host ever has, used to test the kernel.
    /// </summary>
    private static readonly IpPrefix Example = IpPrefix.Of(new IpNumber(0xffff_c000_0200));

    private readonly NetlinkSocket _socket = new(NETLINK_NETFILTER, AnswerSize, checkCredentials: false);
    private readonly byte[] _batch = new byte[BatchSize];
    private readonly int[] _effects = new int[BatchSize / LeastSize]; // by message: the index of its effect
    private readonly int[] _errors = new int[BatchSize / LeastSize]; // by message: the kernel's error
    private readonly PrefixCover _cover = new();
    private readonly List<(bool IsAdd, IpPrefix Prefix)> _changes = [];
    private uint _sequence;
    private uint _firstSequence; // of the batch's messages
    private int _count; // the batch's number of messages
    private int _length; // the batch's size in bytes
    private int _last; // where the batch's last message begins

    private NftSetSocket()
    {
    }

    /// <summary>True if the kernel gives existing elements a new time-out.</summary>
    public bool UpdatesInPlace { get; private set; }

    /// <summary>The netlink port id of the daemon's own changes.</summary>
    public uint PortId => _socket.PortId;

    /// <summary>Called before each transaction is sent.</summary>
    public Action BeforeEach { get; set; } = static () => { };

    /// <summary>
    /// Creates the table and its sets, or adopts existing ones with their elements. Null and the error if the
    /// kernel has no nf_tables, or refuses it to the daemon.
    /// </summary>
    /// <param name="error">The error, if the result is null.</param>
    /// <param name="updatesInPlace">For tests: false acts as on a kernel before 6.12; null detects
    /// it.</param>
    public static NftSetSocket? Open(out KernelError error, bool? updatesInPlace = null)
    {
        error = KernelError.None;
        NftSetSocket? sets = null;
        try
        {
            sets = new NftSetSocket();
            int number = sets.Create();
            if (number == 0)
            {
                sets.UpdatesInPlace = updatesInPlace ?? sets.FindOut(out number);
            }
            if (number == 0 && sets.ReadPrefixes())
            {
                return sets;
            }
            number = number == 0 ? Errno.EAGAIN : number;
            Errno.ThrowIfShortage(number, "nf_tables");
            error = new KernelError(
                number, "cannot make the table inet connmgr and its sets",
                number == EEXIST ? "a set of that name has another type" : null);
        }
        catch (Win32Exception exception) when (!Errno.IsShortage(exception.NativeErrorCode))
        {
            error = new KernelError(exception.NativeErrorCode, words: exception.Message);
        }
        sets?.Dispose();
        return null;
    }

    /// <summary>Deletes an element; deleting an absent one succeeds.</summary>
    public KernelError Delete(IpPrefix prefix) =>
        ErrorOf(ApplyOne(new HoleEffect(HoleAction.Close, prefix, 0)));

    /// <summary>
    /// Applies changes in their order, as many in one transaction as fit. If the kernel refuses one, it
    /// undoes that whole transaction; each of the other changes is then made alone.
    /// </summary>
    /// <param name="effects">The changes.</param>
    /// <param name="failed">Receives each address or prefix that could not be opened, and the error.</param>
    public void Apply(ReadOnlySpan<HoleEffect> effects, Action<IpPrefix, KernelError> failed)
    {
        while (!effects.IsEmpty)
        {
            int count = 0;
            Begin();
            while (count < effects.Length && effects[count].Prefix.IsAddress && HasRoom)
            {
                Write(effects[count], count);
                count++;
            }
            if (count > 0)
            {
                Finish(effects[..count], failed);
            }
            else if ((count = ChangePrefixes(effects)) == 0)
            {
                Report(effects[count], ApplyOne(effects[count]), failed);
                count = 1;
            }
            effects = effects[count..];
        }
    }

    /// <summary>False if the kernel reports that the element is missing.</summary>
    public bool Has(IpPrefix prefix) => !TryGet(prefix, out _, out int error) ? error != ENOENT : true;

    /// <summary>
    /// Lists all elements of the sets with the seconds each has left (0: no time-out). Null if listing fails.
    /// Right after very many additions the kernel still grows its hash table, and an element may be missing
    /// or come twice.
    /// </summary>
    public List<(IpPrefix Prefix, uint Timeout)>? List()
    {
        List<(IpPrefix, uint)> all = [];
        List<NftElement> elements = [];
        for (int set = 0; set < 2; set++)
        {
            if (!TryList(set, elements))
            {
                return null;
            }
            foreach (NftElement element in elements)
            {
                all.Add((IpPrefix.Of(element.Key), element.Left));
            }
        }
        foreach (IpPrefix prefix in _cover.Wanted)
        {
            all.Add((prefix, 0));
        }
        return all;
    }

    /// <summary>Makes these the only addresses of a service, in one transaction.</summary>
    public KernelError Replace(ServiceSet service, ReadOnlySpan<IpNumber> addresses)
    {
        int first = NftSetMessage.FirstService + (2 * (int)service);
        Begin();
        for (int set = first; set < first + 2; set++)
        {
            Append(NftSetMessage.Flush(Rest, set, NextSequence), 0);
        }
        foreach (IpNumber address in addresses)
        {
            int set = first + (address.IsIpv4 ? 0 : 1);
            Append(NftSetMessage.AddService(Rest, set, address, NextSequence), 0);
        }
        return ErrorOf(FirstError(Commit()));
    }

    /// <summary>Deletes the table with all its sets, if it exists.</summary>
    public void DeleteTable()
    {
        Begin();
        Append(NftSetMessage.ChangeTable(Rest, Nftables.NFPROTO_INET, isNew: true, NextSequence), 0);
        Append(NftSetMessage.ChangeTable(Rest, Nftables.NFPROTO_INET, isNew: false, NextSequence), 0);
        _ = Commit();
    }

    private static KernelError ErrorOf(int number) => new(number, words: number switch
    {
        ENOENT => "no such table or set",
        EEXIST => "it overlaps another prefix",
        ENFILE => "the set is full",
        _ => null,
    });

    private int Create()
    {
        Begin();
        Append(NftSetMessage.ChangeTable(Rest, Nftables.NFPROTO_INET, isNew: true, NextSequence), 0);
        for (int set = 0; set < NftSetMessage.SetCount; set++)
        {
            Append(NftSetMessage.CreateSet(Rest, set, NextSequence), 0);
        }
        return FirstError(Commit());
    }

    /// <summary>
    /// Tests whether the kernel updates time-outs: gives an element a longer time-out, and reads it back.
    /// </summary>
    private bool FindOut(out int error)
    {
        const int Short = 3600;
        const int Long = 7200;
        Begin();
        Append(NftSetMessage.Add(Rest, Example, Short, NextSequence), 0);
        error = FirstError(Commit());
        Begin();
        Append(NftSetMessage.Add(Rest, Example, Long, NextSequence), 0);
        error = error == 0 ? FirstError(Commit()) : error;
        uint left = 0;
        if (error == 0 && TryGet(Example, out NftElement element, out error))
        {
            left = element.Left;
        }
        int deletion = Delete(Example).Number;
        error = error == 0 ? deletion : error;
        return left > Short;
    }

    /// <summary>
    /// Reads which prefixes are in the kernel. A set with an interval that is not a prefix was changed by
    /// another program, and is emptied.
    /// </summary>
    private bool ReadPrefixes()
    {
        List<NftElement> elements = [];
        for (int set = 2; set < NftSetMessage.FirstService; set++)
        {
            if (!TryList(set, elements))
            {
                return false;
            }
            List<IpPrefix> prefixes = [];
            if (!NftIntervals.TryRead(elements, prefixes))
            {
                Begin();
                Append(NftSetMessage.Flush(Rest, set, NextSequence), 0);
                if (FirstError(Commit()) != 0)
                {
                    return false;
                }
                continue;
            }
            foreach (IpPrefix prefix in prefixes)
            {
                _cover.Add(prefix, _changes);
            }
        }
        _changes.Clear();
        return true;
    }

    /// <summary>
    /// Adds or deletes the first prefixes in one transaction, as many as fit and neither cover nor lie within
    /// others: a reload may open or close thousands.
    /// </summary>
    /// <returns>The number of prefixes changed; 0 if the first one must be changed alone.</returns>
    private int ChangePrefixes(ReadOnlySpan<HoleEffect> effects)
    {
        int count = 0;
        Span<bool> areNew = stackalloc bool[BatchSize / LeastSize];
        bool isOpening = effects[0].Action == HoleAction.Open;
        Begin();
        while (count < effects.Length && HasRoom && (effects[count].Action == HoleAction.Open) == isOpening
            && !effects[count].Prefix.IsAddress)
        {
            _changes.Clear();
            areNew[count] = isOpening
                ? _cover.Add(effects[count].Prefix, _changes)
                : _cover.Remove(effects[count].Prefix, _changes);
            if (_changes.Count != 1)
            {
                UndoNew(effects.Slice(count, 1), areNew[count..], isOpening);
                break;
            }
            Write(effects[count], count);
            count++;
        }
        _changes.Clear();
        if (count == 0 || FirstError(Commit()) == 0)
        {
            return count;
        }
        UndoNew(effects[..count], areNew, isOpening);
        return 0;
    }

    private void UndoNew(
        ReadOnlySpan<HoleEffect> effects, ReadOnlySpan<bool> areNew, bool wereAdded)
    {
        for (int i = 0; i < effects.Length; i++)
        {
            if (areNew[i])
            {
                _cover.Undo(effects[i].Prefix, wereAdded);
            }
        }
    }

    private int ApplyOne(in HoleEffect effect)
    {
        bool isOpening = effect.Action == HoleAction.Open;
        Begin();
        if (effect.Prefix.IsAddress)
        {
            Write(effect, 0);
            return FirstError(Commit());
        }
        bool hasChanged = isOpening
            ? _cover.Add(effect.Prefix, _changes)
            : _cover.Remove(effect.Prefix, _changes);
        int error = 0;
        foreach ((bool isAdd, IpPrefix prefix) in _changes)
        {
            if (!HasRoom)
            {
                error = error == 0 ? FirstError(Commit()) : error;
                Begin();
            }
            Write(new HoleEffect(isAdd ? HoleAction.Open : HoleAction.Close, prefix, 0), 0);
        }
        error = error == 0 && _count > 0 ? FirstError(Commit()) : error;
        _changes.Clear();
        if (error != 0 && hasChanged)
        {
            _cover.Undo(effect.Prefix, isOpening);
        }
        return error;
    }

    private void Finish(ReadOnlySpan<HoleEffect> effects, Action<IpPrefix, KernelError> failed)
    {
        int error = Commit();
        if (error == 0 && FirstError(0) == 0)
        {
            return;
        }
        Span<int> errors = stackalloc int[effects.Length];
        errors.Fill(effects.Length == 1 ? error : 0);
        for (int i = 0; i < _count; i++)
        {
            ref int first = ref errors[_effects[i]];
            first = first == 0 ? _errors[i] : first;
        }
        for (int i = 0; i < effects.Length; i++)
        {
            Report(effects[i], errors[i] == 0 ? ApplyOne(effects[i]) : errors[i], failed);
        }
    }

    private static void Report(in HoleEffect effect, int error, Action<IpPrefix, KernelError> failed)
    {
        if (error != 0 && effect.Action == HoleAction.Open)
        {
            failed(effect.Prefix, ErrorOf(error));
        }
    }

    private bool TryGet(IpPrefix prefix, out NftElement element, out int error)
    {
        element = default;
        error = 0;
        if (!_socket.Send(NftSetMessage.Get(_batch, prefix, ++_sequence)))
        {
            error = Errno.Last;
            return false;
        }
        while (_socket.Receive(out ReadOnlySpan<byte> datagram) == Received.Datagram)
        {
            NetlinkReader reader = new(datagram);
            while (reader.TryRead(out NetlinkMessage message))
            {
                if (message.Sequence != _sequence)
                {
                    continue;
                }
                if (message.ErrorNumber is { } number)
                {
                    error = number;
                    return false;
                }
                NftSetMessage.Elements elements = NftSetMessage.ElementsOf(message);
                if (elements.TryRead(out element))
                {
                    // For a prefix, the kernel returns the interval that contains the address.
                    error = element.Key == prefix.First ? 0 : ENOENT;
                    return error == 0;
                }
            }
        }
        error = Errno.EAGAIN;
        return false;
    }

    private bool TryList(int set, List<NftElement> elements)
    {
        for (int i = 0; i < ListAttempts; i++)
        {
            elements.Clear();
            if (_socket.Send(NftSetMessage.List(_batch, set, ++_sequence))
                && TryReadList(elements, out bool wasInterrupted) && !wasInterrupted)
            {
                return true;
            }
        }
        return false;
    }

    private bool TryReadList(List<NftElement> elements, out bool wasInterrupted)
    {
        wasInterrupted = false;
        while (_socket.Receive(out ReadOnlySpan<byte> datagram) == Received.Datagram)
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
                    return error == 0;
                }
                NftSetMessage.Elements row = NftSetMessage.ElementsOf(message);
                while (row.TryRead(out NftElement element))
                {
                    elements.Add(element);
                }
            }
        }
        return false;
    }

    public void Dispose() => _socket.Dispose();
}
