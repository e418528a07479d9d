using System.Runtime.InteropServices;
using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Flows;

/// <summary>What a flow is to the kernel, and in the log.</summary>
internal enum FlowKind
{
    Tcp,
    Udp,
    Conntrack,
}

/// <summary>
/// Decides which flows still use an old link: takes what the kernel has, asks where the peers are routed to now, says
/// what is to be ended. Its tables are bounded; what has no room is found by the next dump, when these are gone. Pure.
/// </summary>
/// <param name="old">The addresses of the old links.</param>
/// <param name="links">The devices of all links, by number: a flow that a VPN took over has not lost its link.</param>
/// <param name="ownMark">The mark of the daemon's own sockets.</param>
internal sealed class StaleFlows(IReadOnlyList<OldAddress> old, IReadOnlySet<int> links, uint ownMark)
{
    private const int MaxCandidates = 1024;
    private const int MaxRemembered = 4096;

    private readonly Dictionary<IpNumber, OldAddress> _old = old.DistinctBy(address => address.Address)
        .ToDictionary(address => address.Address);
    private readonly List<Candidate> _candidates = [];
    private readonly Dictionary<RouteQuestion, int> _answers = [];
    private readonly HashSet<(byte Protocol, ushort Port)> _spared = [];
    private readonly HashSet<Conversation> _ended = [];

    /// <summary>There was no room for all.</summary>
    public bool IsFull { get; private set; }

    /// <summary>Before the rows of a dump.</summary>
    public void BeginDump()
    {
        IsFull = false;
        _candidates.Clear();
        if (_answers.Count > MaxRemembered)
        {
            _answers.Clear();
        }
    }

    public void Take(in SockDiagMessage socket)
    {
        if (socket.Ifindex != 0 || socket.Mark == ownMark)
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
    /// Entries of the device's own flows (it is the source, or it answered and the socket has been ended), and of flows that
    /// were translated to an old address.
    /// </summary>
    public void Take(in ConntrackMessage entry)
    {
        ConntrackMessage.Tuple original = entry.Original;
        ConntrackMessage.Tuple reply = entry.Reply;
        RouteQuestion question;
        if (_old.TryGetValue(original.Source, out OldAddress? address))
        {
            // Without a port, ours cannot be told from others'; nor does anybody miss it: the next packet makes a new one.
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
        else if (_old.TryGetValue(original.Destination, out address) && _ended.Contains(
            new Conversation(original.Protocol, original.DestinationPort, original.Source, original.SourcePort)))
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

    /// <summary>The questions that are still open, each once.</summary>
    public List<RouteQuestion> Questions() =>
        [.. _candidates.Select(candidate => candidate.Question).Where(question => !_answers.ContainsKey(question)).Distinct()];

    /// <param name="question">One of <see cref="Questions"/>.</param>
    /// <param name="ifindex">The device that its peer is routed over, or 0.</param>
    public void Answer(RouteQuestion question, int ifindex) => _answers[question] = ifindex;

    /// <summary>What is to be ended, by which request. To be called when the questions are answered.</summary>
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

    private static IpNumber SourceOf(OldAddress address) => address.IsPresent ? address.Address : default;

    /// <summary>True if it is known already that the flow is not stale. A socket that stays keeps its conntrack entry.</summary>
    private bool IsKept(OldAddress address, RouteQuestion question, FlowKind kind, Conversation conversation)
    {
        bool isKept = address.IsNeighbour(question.Peer)
            || (_answers.TryGetValue(question, out int ifindex) && (ifindex == address.Ifindex || !links.Contains(ifindex)));
        if (isKept && kind != FlowKind.Conntrack)
        {
            Remember(_spared, (conversation.Protocol, conversation.LocalPort));
        }
        return isKept;
    }

    /// <summary>If there are more than can be remembered, all are spared.</summary>
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

    private readonly record struct Conversation(byte Protocol, ushort LocalPort, IpNumber Peer, ushort PeerPort);

    private readonly record struct Candidate(
        FlowKind Kind, OldAddress Old, RouteQuestion Question, Conversation Conversation, byte[] Request);
}
