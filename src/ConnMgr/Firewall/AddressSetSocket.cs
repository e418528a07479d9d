using System.ComponentModel;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Firewall;

/// <summary>
/// Changes the kernel's ipset sets afero4 and afero6, and those for services, which the firewall's rules
/// match. The kernel handles a netlink request while it is sent: when a call returns, the change is in force.
/// </summary>
internal sealed class AddressSetSocket : IDisposable
{
    private const int NETLINK_NETFILTER = 12;
    // The kernel returns a list in parts of a page, or of this size on machines with larger pages.
    private const int AnswerSize = 8192;

    private readonly NetlinkSocket _socket =
        new(NETLINK_NETFILTER, bufferSize: AnswerSize, checkCredentials: false);
    private readonly byte[] _request = new byte[IpsetMessage.MaxSize];
    private uint _sequence;

    private AddressSetSocket()
    {
    }

    /// <summary>Creates both sets; existing sets are kept with their elements.</summary>
    /// <param name="error">Why the kernel has no sets, if the result is null.</param>
    public static AddressSetSocket? Open(out KernelError error)
    {
        AddressSetSocket sets;
        try
        {
            sets = new AddressSetSocket();
        }
        catch (Win32Exception exception) when (!Errno.IsShortage(exception.NativeErrorCode))
        {
            error = new KernelError(exception.NativeErrorCode, "netlink socket");
            return null;
        }
        error = KernelError.None;
        foreach (bool isIpv6 in (ReadOnlySpan<bool>)[false, true])
        {
            error = sets.Put(IpsetMessage.Create(sets._request, isIpv6, ++sets._sequence));
            if (!error.IsNone)
            {
                Errno.ThrowIfShortage(error.Number, "ipset");
                error = error with { Call = $"cannot make the set {(isIpv6 ? "afero6" : "afero4")}" };
                sets.Dispose();
                return null;
            }
        }
        return sets;
    }

    /// <summary>
    /// Makes these the only addresses of a service: adds them before it deletes the others. If the kernel
    /// already has exactly these, changes nothing. False if the kernel refuses.
    /// </summary>
    public bool TryReplace(ServiceSet service, ReadOnlySpan<IpNumber> addresses)
    {
        bool isDone = true;
        foreach (bool isIpv6 in (ReadOnlySpan<bool>)[false, true])
        {
            List<(IpPrefix Prefix, uint Timeout)> present = [];
            int? error = _socket.Send(IpsetMessage.List(_request, isIpv6, ++_sequence, service))
                ? ReadList(present)
                : null;
            if (error == Errno.ENOENT)
            {
                // The set does not exist yet, or another program has destroyed it.
                isDone &= Put(IpsetMessage.Create(_request, isIpv6, ++_sequence, service)).IsNone;
            }
            else
            {
                isDone &= error == 0;
            }
            foreach (IpNumber address in addresses)
            {
                if (address.IsIpv4 != isIpv6 && !present.Exists(one => one.Prefix == IpPrefix.Of(address)))
                {
                    isDone &= Put(
                        IpsetMessage.Add(_request, IpPrefix.Of(address), 0, ++_sequence, service)).IsNone;
                }
            }
            foreach ((IpPrefix prefix, _) in present)
            {
                if (!prefix.IsAddress || !addresses.Contains(prefix.First))
                {
                    isDone &= Put(IpsetMessage.Delete(_request, prefix, ++_sequence, service)).IsNone;
                }
            }
        }
        return isDone;
    }

    /// <summary>Adds an element, or sets a new time-out for an existing one.</summary>
    /// <param name="prefix">An address or prefix.</param>
    /// <param name="timeout">In seconds; 0 for none.</param>
    public KernelError Add(IpPrefix prefix, int timeout) =>
        Put(IpsetMessage.Add(_request, prefix, timeout, ++_sequence));

    /// <summary>Deletes an element; deleting an absent one succeeds.</summary>
    public KernelError Delete(IpPrefix prefix) => Put(IpsetMessage.Delete(_request, prefix, ++_sequence));

    /// <summary>
    /// Applies changes in their order. Consecutive changes of the same kind and family share one message,
    /// because sending the thousands of addresses of a large answer one by one would take tens of
    /// milliseconds.
    /// </summary>
    /// <param name="effects">The changes.</param>
    /// <param name="failed">Called for each prefix that could not be opened.</param>
    public void Apply(ReadOnlySpan<HoleEffect> effects, Action<IpPrefix, KernelError> failed)
    {
        while (!effects.IsEmpty)
        {
            int count = 1;
            while (count < Math.Min(effects.Length, IpsetMessage.MaxAtOnce)
                && AreAlike(effects[0], effects[count]))
            {
                count++;
            }
            if (count == 1 || !Put(IpsetMessage.Many(_request, effects[..count], ++_sequence)).IsNone)
            {
                foreach (ref readonly HoleEffect effect in effects[..count])
                {
                    bool isOpening = effect.Action == HoleAction.Open;
                    KernelError error = isOpening
                        ? Add(effect.Prefix, effect.Timeout)
                        : Delete(effect.Prefix);
                    if (isOpening && !error.IsNone)
                    {
                        failed(effect.Prefix, error);
                    }
                }
            }
            effects = effects[count..];
        }
    }

    private static bool AreAlike(in HoleEffect one, in HoleEffect other) =>
        (one.Action == HoleAction.Open) == (other.Action == HoleAction.Open)
        && one.Prefix.First.IsIpv4 == other.Prefix.First.IsIpv4;

    /// <summary>False if the kernel reports that the element is missing.</summary>
    public bool Has(IpPrefix prefix) =>
        Put(IpsetMessage.Test(_request, prefix, ++_sequence)).Number
            is not (IpsetMessage.IPSET_ERR_EXIST or Errno.ENOENT);

    /// <summary>
    /// Lists the elements of both sets with the seconds each has left (0: no time-out). Null if listing
    /// fails.
    /// </summary>
    public List<(IpPrefix Prefix, uint Timeout)>? List()
    {
        List<(IpPrefix, uint)> all = [];
        foreach (bool isIpv6 in (ReadOnlySpan<bool>)[false, true])
        {
            if (!_socket.Send(IpsetMessage.List(_request, isIpv6, ++_sequence)) || ReadList(all) != 0)
            {
                return null;
            }
        }
        return all;
    }

    /// <summary>Returns the kernel's error number, 0 for none; null if the list has no end.</summary>
    private int? ReadList(List<(IpPrefix, uint)> all)
    {
        while (_socket.Receive(out ReadOnlySpan<byte> datagram) == Received.Datagram)
        {
            NetlinkReader reader = new(datagram);
            while (reader.TryRead(out NetlinkMessage message))
            {
                if (message.Sequence != _sequence)
                {
                    continue;
                }
                if (message.ErrorNumber is { } error)
                {
                    return error;
                }
                IpsetMessage.Elements elements = IpsetMessage.ElementsOf(message);
                while (elements.TryRead(out IpPrefix prefix, out uint timeout))
                {
                    all.Add((prefix, timeout));
                }
            }
        }
        return null;
    }

    private KernelError Put(ReadOnlySpan<byte> request)
    {
        if (!_socket.Send(request))
        {
            return new KernelError(Errno.Last);
        }
        while (true)
        {
            switch (_socket.Receive(out ReadOnlySpan<byte> datagram))
            {
                case Received.Nothing:
                    // Cannot happen: the answer is there when Send returns.
                    return new KernelError(Errno.EAGAIN);
                case Received.Lost:
                    // The request may be done or not, and may be repeated.
                    return new KernelError(Errno.ENOBUFS);
                case Received.Datagram:
                    NetlinkReader reader = new(datagram);
                    while (reader.TryRead(out NetlinkMessage message))
                    {
                        if (message.Sequence == _sequence && message.ErrorNumber is { } error)
                        {
                            return new KernelError(error, words: IpsetMessage.Words(error));
                        }
                    }
                    break;
            }
        }
    }

    public void Dispose() => _socket.Dispose();
}
