using System.ComponentModel;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Firewall;

/// <summary>
/// Talks to the kernel's ipset sets afero4 and afero6, which the firewall's rules match. Netlink works in the caller's
/// time: when a call returns, the change is in force, and nothing has to be awaited.
/// </summary>
internal sealed class AddressSetSocket : IDisposable
{
    private const int NETLINK_NETFILTER = 12;
    private const int AnswerSize = 8192; // the kernel lists in pieces of a page, or of this on machines with large pages

    private readonly NetlinkSocket _socket = new(NETLINK_NETFILTER, bufferSize: AnswerSize, checkCredentials: false);
    private readonly byte[] _request = new byte[IpsetMessage.MaxSize];
    private uint _sequence;

    private AddressSetSocket()
    {
    }

    /// <summary>Creates both sets; sets that exist are kept with their elements.</summary>
    /// <param name="error">Why the kernel has no sets, if null is returned.</param>
    public static AddressSetSocket? Open(out KernelError error)
    {
        AddressSetSocket sets;
        try
        {
            sets = new AddressSetSocket();
        }
        catch (Win32Exception exception)
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
                error = error with { Call = $"cannot make the set {(isIpv6 ? "afero6" : "afero4")}" };
                sets.Dispose();
                return null;
            }
        }
        return sets;
    }

    /// <summary>Adds an element, or gives an existing one a new time-out.</summary>
    /// <param name="prefix">An address or prefix.</param>
    /// <param name="timeout">In seconds; 0: none.</param>
    public KernelError Add(IpPrefix prefix, int timeout) => Put(IpsetMessage.Add(_request, prefix, timeout, ++_sequence));

    /// <summary>Deletes an element; deleting an absent one succeeds.</summary>
    public KernelError Delete(IpPrefix prefix) => Put(IpsetMessage.Delete(_request, prefix, ++_sequence));

    /// <summary>
    /// Carries out changes in their order. Neighbours of the same kind and family share one message: sent one by one, the
    /// thousands of addresses of a large answer would take tens of milliseconds.
    /// </summary>
    /// <param name="effects">The changes.</param>
    /// <param name="failed">Called for each prefix that could not be opened.</param>
    public void Apply(ReadOnlySpan<HoleEffect> effects, Action<IpPrefix, KernelError> failed)
    {
        while (!effects.IsEmpty)
        {
            int count = 1;
            while (count < Math.Min(effects.Length, IpsetMessage.MaxAtOnce) && AreAlike(effects[0], effects[count]))
            {
                count++;
            }
            if (count == 1 || !Put(IpsetMessage.Many(_request, effects[..count], ++_sequence)).IsNone)
            {
                foreach (ref readonly HoleEffect effect in effects[..count])
                {
                    bool isOpening = effect.Action == HoleAction.Open;
                    KernelError error = isOpening ? Add(effect.Prefix, effect.Timeout) : Delete(effect.Prefix);
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

    /// <summary>False if the kernel says that the element is missing.</summary>
    public bool Has(IpPrefix prefix) =>
        Put(IpsetMessage.Test(_request, prefix, ++_sequence)).Number is not (IpsetMessage.IPSET_ERR_EXIST or Errno.ENOENT);

    /// <summary>The elements of both sets with the seconds each has left (0: no time-out). Null if they cannot be listed.</summary>
    public List<(IpPrefix Prefix, uint Timeout)>? List()
    {
        List<(IpPrefix, uint)> all = [];
        foreach (bool isIpv6 in (ReadOnlySpan<bool>)[false, true])
        {
            if (!_socket.Send(IpsetMessage.List(_request, isIpv6, ++_sequence)) || !ReadList(all))
            {
                return null;
            }
        }
        return all;
    }

    private bool ReadList(List<(IpPrefix, uint)> all)
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
                    return error == 0;
                }
                IpsetMessage.Elements elements = IpsetMessage.ElementsOf(message);
                while (elements.TryRead(out IpPrefix prefix, out uint timeout))
                {
                    all.Add((prefix, timeout));
                }
            }
        }
        return false;
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
                    return new KernelError(Errno.EAGAIN); // impossible: the answer is there when Send returns
                case Received.Lost:
                    return new KernelError(Errno.ENOBUFS); // done or not: it may be repeated
                case Received.Datagram:
                    NetlinkReader reader = new(datagram);
                    while (reader.TryRead(out NetlinkMessage message))
                    {
                        if (message.Sequence == _sequence && message.ErrorNumber is { } error)
                        {
                            return new KernelError(error, Words: IpsetMessage.Words(error));
                        }
                    }
                    break;
            }
        }
    }

    public void Dispose() => _socket.Dispose();
}
