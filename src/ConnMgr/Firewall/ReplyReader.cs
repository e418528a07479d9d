using ConnMgr.Dns;
using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// Passes packets from port 53 to <see cref="DnsWatch"/>, and opens the addresses of the answers in them.
/// </summary>
/// <param name="watch">Knows which questions were asked.</param>
/// <param name="store">Opens addresses.</param>
internal sealed class ReplyReader(DnsWatch watch, HoleStore store)
{
    private readonly List<IpPrefix> _opening = [];
    private readonly UnwantedAnswers _unwanted = new();

    /// <summary>Which questions were asked, and how replies were judged.</summary>
    public DnsWatch Watch => watch;

    /// <summary>
    /// Looks for a new name server of the device, when an unlisted server has answered the device. True if
    /// the answers of every server count from now on.
    /// </summary>
    public Func<bool>? HasNewResolver { get; set; }

    /// <summary>
    /// The addresses of the last packet that are not in the kernel yet (<see
    /// cref="IAddressBackend.IsOpening"/>).
    /// </summary>
    public IReadOnlyList<IpPrefix> Opening => _opening;

    /// <summary>
    /// True if the last packet claimed to answer an open question, but did not (<see
    /// cref="DnsWatch.Replies.IsFalse"/>).
    /// </summary>
    public bool IsFalse { get; private set; }

    /// <summary>Receives every answer, wanted or not; null without an audit.</summary>
    public AuditNames? Names { get; set; }

    /// <summary>Reads a reply.</summary>
    /// <param name="packet">A whole IP packet.</param>
    /// <param name="side">The side that the packet is for.</param>
    /// <param name="asked">The flow of the question, if it differs from the packet's own (NAT).</param>
    /// <param name="isHeld">The packet waits in the queue until its addresses are open.</param>
    /// <param name="now">The monotonic time.</param>
    /// <returns>True if the packet changed the kernel's elements.</returns>
    public bool Read(ReadOnlySpan<byte> packet, DnsSide side, Flow? asked, bool isHeld, TimeSpan now)
    {
        _opening.Clear();
        bool hasChanged = false;
        bool isAgain = false;
        DnsWatch.Replies replies = watch.SeeReply(packet, side, asked, now);
        while (replies.TryRead(out DnsAnswer answer))
        {
            Names?.Learn(answer);
            bool counts = watch.Counts(answer);
            if (!counts && answer.IsOfDevice && HasNewResolver is not null && HasNewResolver())
            {
                counts = isAgain = true; // earlier answers count too
            }
            if (!counts
                || !store.LearnAnswer(answer.Question.Name, answer.Addresses, answer.Aliases,
                    isHeld, out Learned learned))
            {
                _unwanted.Add(answer, now);
                continue;
            }
            hasChanged |= learned.HasChanges;
            isAgain |= learned.HasAliases;
            if (isHeld && !store.Backend.IsImmediate)
            {
                NoteOpening(answer.Addresses);
            }
        }
        IsFalse = replies.IsFalse;
        if (isAgain)
        {
            hasChanged |= JudgeAgain(now); // the target may have been asked for before
        }
        return hasChanged;
    }

    /// <summary>
    /// Judges recent answers that opened nothing again. Call it when the whitelist or the servers have
    /// changed.
    /// </summary>
    /// <returns>True if the kernel's elements changed.</returns>
    public bool JudgeAgain(TimeSpan now)
    {
        bool hasChanged = false;
        _unwanted.JudgeAgain(now, Judge);
        return hasChanged;

        bool Judge(in DnsAnswer answer)
        {
            if (!watch.Counts(answer)
                || !store.LearnAnswer(answer.Question.Name, answer.Addresses, answer.Aliases,
                    false, out Learned learned))
            {
                return false;
            }
            hasChanged |= learned.HasChanges;
            return true;
        }
    }

    private void NoteOpening(ReadOnlySpan<DnsAddress> addresses)
    {
        foreach (ref readonly DnsAddress address in addresses)
        {
            if (IpNumber.TryRead(address.Bytes, out IpNumber number)
                && store.Backend.IsOpening(IpPrefix.Of(number)))
            {
                _opening.Add(IpPrefix.Of(number));
            }
        }
    }
}
