using System.ComponentModel;
using ConnMgr.Native;
using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Firewall;

/// <summary>
/// Fills the kernel's address sets afero4 and afero6, which the firewall's rules match. The kernel does what it is asked
/// while the request is sent, and its answer is there at once: so nothing is awaited, and what has returned is in force.
/// </summary>
internal sealed class AddressSetSocket : IDisposable
{
    private const int NETLINK_NETFILTER = 12;
    private const int AnswerSize = 8192; // a part of a list: a page, and on machines with large ones this

    private readonly NetlinkSocket _socket = new(NETLINK_NETFILTER, bufferSize: AnswerSize, checkCredentials: false);
    private readonly byte[] _request = new byte[IpsetMessage.MaxSize];
    private uint _sequence;

    private AddressSetSocket()
    {
    }

    /// <summary>Makes both sets, unless they are there, with what is in them. Null, and why, if the kernel has no sets.</summary>
    public static AddressSetSocket? Open(out string why)
    {
        why = "";
        AddressSetSocket? sets = null;
        try
        {
            sets = new AddressSetSocket();
            foreach (bool isIpv6 in (ReadOnlySpan<bool>)[false, true])
            {
                int error = sets.Put(IpsetMessage.Create(sets._request, isIpv6, ++sets._sequence));
                if (error != 0)
                {
                    why = $"cannot make the set {(isIpv6 ? "afero6" : "afero4")}: {Text(error)}";
                    sets.Dispose();
                    return null;
                }
            }
            return sets;
        }
        catch (Win32Exception exception)
        {
            why = exception.Message;
            sets?.Dispose();
            return null;
        }
    }

    /// <summary>Puts it in, or gives it a new time-out.</summary>
    /// <param name="prefix">An address or prefix.</param>
    /// <param name="timeout">In seconds; 0: it stays.</param>
    /// <returns>0, or why not (<see cref="Text"/>).</returns>
    public int Add(IpPrefix prefix, int timeout) => Put(IpsetMessage.Add(_request, prefix, timeout, ++_sequence));

    /// <summary>Takes it out. 0 also if it was not there.</summary>
    public int Delete(IpPrefix prefix) => Put(IpsetMessage.Delete(_request, prefix, ++_sequence));

    /// <summary>
    /// Carries out what is to be done, in its order. Neighbours that are alike go in one message: thousands of addresses of one
    /// answer would take tens of milliseconds one by one.
    /// </summary>
    /// <param name="effects">What is to be done.</param>
    /// <param name="failed">Gets each prefix that could not be opened, and why not.</param>
    public void Apply(ReadOnlySpan<HoleEffect> effects, Action<IpPrefix, int> failed)
    {
        while (!effects.IsEmpty)
        {
            int count = 1;
            while (count < Math.Min(effects.Length, IpsetMessage.MaxAtOnce) && AreAlike(effects[0], effects[count]))
            {
                count++;
            }
            if (count == 1 || Put(IpsetMessage.Many(_request, effects[..count], ++_sequence)) != 0)
            {
                foreach (ref readonly HoleEffect effect in effects[..count])
                {
                    bool isOpening = effect.Action == HoleAction.Open;
                    int error = isOpening ? Add(effect.Prefix, effect.Timeout) : Delete(effect.Prefix);
                    if (isOpening && error != 0)
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

    /// <summary>False if the kernel says that it is not there.</summary>
    public bool Has(IpPrefix prefix) =>
        Put(IpsetMessage.Test(_request, prefix, ++_sequence)) is not (IpsetMessage.IPSET_ERR_EXIST or Errno.ENOENT);

    /// <summary>All that is in both sets, with what each has left in seconds (0: it stays). Null if it cannot be listed.</summary>
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

    /// <summary>An error in words.</summary>
    public static string Text(int error) => IpsetMessage.Words(error) ?? Errno.Text(error);

    private int Put(ReadOnlySpan<byte> request)
    {
        if (!_socket.Send(request))
        {
            return Errno.Last;
        }
        while (true)
        {
            switch (_socket.Receive(out ReadOnlySpan<byte> datagram))
            {
                case Received.Nothing:
                    return Errno.EAGAIN; // cannot be: see above
                case Received.Lost:
                    return Errno.ENOBUFS; // done or not: it may be done again
                case Received.Datagram:
                    NetlinkReader reader = new(datagram);
                    while (reader.TryRead(out NetlinkMessage message))
                    {
                        if (message.Sequence == _sequence && message.ErrorNumber is { } error)
                        {
                            return error;
                        }
                    }
                    break;
            }
        }
    }

    public void Dispose() => _socket.Dispose();
}
