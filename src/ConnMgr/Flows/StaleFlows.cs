using System.Runtime.InteropServices;
using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Flows;

/// <summary>How the kernel represents a flow.</summary>
internal enum FlowKind
{
    Tcp,
    Udp,
    Conntrack,
}

/// <summary>
/// Decides which flows still use an old link: it receives the rows of a dump, asks over which device their
/// peers are routed now, and lists the flows to end. Its tables are limited: the next dump finds the flows
/// that did not fit. Pure.
/// </summary>
/// <param name="old">The addresses of the old links.</param>
/// <param name="links">
/// The device indexes of all links. A flow that is routed over another device, e.g. a VPN, stays.
/// </param>
/// <param name="ownMark">The bit of the firewall mark that the daemon's own sockets have.</param>
internal sealed class StaleFlows(IReadOnlyList<OldAddress> old, IReadOnlySet<int> links, uint ownMark)
{
    private const int MaxCandidates = 1024;
    private const int MaxRemembered = 4096;

    private readonly Dictionary<IpNumber, OldAddress> _old = ByAddress(old);
    private readonly List<Candidate> _candidates = [];
    private readonly Dictionary<RouteQuestion, int> _answers = [];
    private readonly HashSet<(byte Protocol, ushort Port)> _spared = [];
    private readonly HashSet<Conversation> _ended = [];

    /// <summary>True if a table was full; dump again after these flows are ended.</summary>
    public bool IsFull { get; private set; }

    /// <summary>Call it before the rows of each dump.</summary>
    public void BeginDump()
    {
        IsFull = false;
        _candidates.Clear();
        if (_answers.Count > MaxRemembered)
        {
            _answers.Clear();
        }
    }

    /// <summary>Processes a socket.</summary>
    public void Take(in SockDiagMessage socket)
    {
        if (socket.Ifindex != 0 || (socket.Mark & ownMark) != 0)
        {
            Remember(_spared, (socket.Protocol, socket.LocalPort));
            return;
        }
        if (!socket.IsConnected || !_old.TryGetValue(socket.Local, out OldAddress? address))
        {
            return;
        }
        FlowKind kind = socket.Protocol == SockDiagMessage.Tcp ? FlowKind.Tcp : FlowKind.Udp;
        Conversation conversation = new(socket.Protocol, socket.LocalPort, socket.Peer, socket.PeerPort);
        RouteQuestion question = new(socket.Peer, SourceOf(address), socket.Mark);
        if (!IsKept(address, question, kind, conversation))
        {
            Add(new Candidate(kind, address, question, conversation, socket.DestroyRequest()));
        }
    }

    /// <summary>
    /// Processes a conntrack entry: of the device's own flows (it is the source, or it answered and the
    /// socket has been ended) and of flows that were translated to an old address.
    /// </summary>
    public void Take(in ConntrackMessage entry)
    {
        ConntrackMessage.Tuple original = entry.Original;
        ConntrackMessage.Tuple reply = entry.Reply;
        RouteQuestion question;
        if (_old.TryGetValue(original.Source, out OldAddress? address))
        {
            // Skip protocols without ports: the daemon's own entries cannot be told apart, and the next
            // packet recreates the entry.
            if (original.Protocol is not (SockDiagMessage.Tcp or SockDiagMessage.Udp) || IsSpared(original))
            {
                return;
            }
            question = new RouteQuestion(reply.Source, SourceOf(address), 0);
        }
        else if (_old.TryGetValue(reply.Destination, out address))
        {
            question = new RouteQuestion(reply.Source, default, 0);
        }
        else if (_old.TryGetValue(original.Destination, out address) && _ended.Contains(new Conversation(
            original.Protocol, original.DestinationPort, original.Source, original.SourcePort)))
        {
            question = new RouteQuestion(original.Source, SourceOf(address), 0);
        }
        else
        {
            return;
        }
        if (!IsKept(address, question, FlowKind.Conntrack, default))
        {
            Add(new Candidate(FlowKind.Conntrack, address, question, default, entry.DeleteRequest()));
        }
    }

    private static Dictionary<IpNumber, OldAddress> ByAddress(IReadOnlyList<OldAddress> old)
    {
        Dictionary<IpNumber, OldAddress> byAddress = [];
        foreach (OldAddress address in old)
        {
            byAddress.TryAdd(address.Address, address);
        }
        return byAddress;
    }

    /// <summary>The unanswered questions, without duplicates.</summary>
    public List<RouteQuestion> Questions() =>
    [
        .. _candidates.Select(candidate => candidate.Question)
            .Where(question => !_answers.ContainsKey(question)).Distinct(),
    ];

    /// <summary>Stores the answer to a question.</summary>
    /// <param name="question">One of <see cref="Questions"/>.</param>
    /// <param name="ifindex">The index of the device over which the peer is routed, or 0.</param>
    public void Answer(RouteQuestion question, int ifindex) => _answers[question] = ifindex;

    /// <summary>The flows to end, each with its request. Call it when the questions are answered.</summary>
    public List<(FlowKind Kind, byte[] Request)> Stale()
    {
        List<(FlowKind, byte[])> stale = [];
        foreach (ref readonly Candidate candidate in CollectionsMarshal.AsSpan(_candidates))
        {
            if (!IsKept(candidate.Old, candidate.Question, candidate.Kind, candidate.Conversation)
                && _answers.ContainsKey(candidate.Question))
            {
                Remember(_ended, candidate.Conversation);
                stale.Add((candidate.Kind, candidate.Request));
            }
        }
        return stale;
    }

    private static IpNumber SourceOf(OldAddress address) => address.SelectsRoute ? address.Address : default;

    /// <summary>
    /// True if the flow is known not to be stale. If a socket is kept, its conntrack entry is kept too.
    /// </summary>
    private bool IsKept(OldAddress address, RouteQuestion question, FlowKind kind, Conversation conversation)
    {
        bool isKept = address.IsNeighbour(question.Peer)
            || (_answers.TryGetValue(question, out int ifindex)
                && (ifindex == address.Ifindex || !links.Contains(ifindex)));
        if (isKept && kind != FlowKind.Conntrack)
        {
            Remember(_spared, (conversation.Protocol, conversation.LocalPort));
        }
        return isKept;
    }

    /// <summary>
    /// True if the entry belongs to a spared socket; true for all if there were too many to remember.
    /// </summary>
    private bool IsSpared(in ConntrackMessage.Tuple original) =>
        _spared.Count >= MaxRemembered || _spared.Contains((original.Protocol, original.SourcePort));

    private void Add(Candidate candidate)
    {
        if (_candidates.Count < MaxCandidates)
        {
            _candidates.Add(candidate);
        }
        else
        {
            IsFull = true;
        }
    }

    private static void Remember<T>(HashSet<T> set, T item)
    {
        if (set.Count < MaxRemembered)
        {
            set.Add(item);
        }
    }

    private readonly record struct Conversation(
        byte Protocol, ushort LocalPort, IpNumber Peer, ushort PeerPort);

    private readonly record struct Candidate(
        FlowKind Kind, OldAddress Old, RouteQuestion Question, Conversation Conversation, byte[] Request);
}
