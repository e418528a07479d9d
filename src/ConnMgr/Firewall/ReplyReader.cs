using ConnMgr.Dns;
using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>Lets <see cref="DnsWatch"/> judge a packet from port 53, and opens the addresses of the answers in it.</summary>
/// <param name="watch">Knows what was asked.</param>
/// <param name="store">Opens addresses.</param>
internal sealed class ReplyReader(DnsWatch watch, HoleStore store)
{
    private readonly List<IpPrefix> _opening = [];

    /// <summary>What was asked, and how replies were judged.</summary>
    public DnsWatch Watch => watch;

    /// <summary>Addresses of the last packet that are not in the kernel yet (<see cref="IAddressBackend.IsOpening"/>).</summary>
    public IReadOnlyList<IpPrefix> Opening => _opening;

    /// <summary>Reads a reply.</summary>
    /// <param name="packet">A whole IP packet.</param>
    /// <param name="side">Whom it is for.</param>
    /// <param name="asked">The flow of the question, if it differs from the packet's own (NAT).</param>
    /// <param name="isHeld">The packet waits in the queue until its addresses are open.</param>
    /// <param name="now">Monotonic.</param>
    /// <returns>True if the packet changed something in the kernel.</returns>
    public bool Read(ReadOnlySpan<byte> packet, DnsSide side, Flow? asked, bool isHeld, TimeSpan now)
    {
        _opening.Clear();
        bool hasChanged = false;
        DnsWatch.Replies replies = watch.SeeReply(packet, side, asked, now);
        while (replies.TryRead(out DnsAnswer answer))
        {
            hasChanged |= store.Learn(answer.Question.Name, answer.Addresses, isHeld);
            if (isHeld && !store.Backend.IsImmediate)
            {
                NoteOpening(answer.Addresses);
            }
        }
        return hasChanged;
    }

    private void NoteOpening(ReadOnlySpan<DnsAddress> addresses)
    {
        foreach (ref readonly DnsAddress address in addresses)
        {
            if (IpNumber.TryRead(address.Bytes, out IpNumber number) && store.Backend.IsOpening(IpPrefix.Of(number)))
            {
                _opening.Add(IpPrefix.Of(number));
            }
        }
    }
}
