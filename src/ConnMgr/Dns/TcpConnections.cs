using ConnMgr.Net;

namespace ConnMgr.Dns;

/// <summary>
/// TCP connections to name servers. Their number and their bytes are limited. To make room
/// for a new connection, drops the one that has been silent longest, starting with those that have not asked
/// a question.
/// </summary>
/// <param name="capacity">The largest number of connections.</param>
/// <param name="maxBytes">The largest number of bytes of all unfinished messages together; at least enough
/// for one connection.</param>
internal sealed class TcpConnections(int capacity, int maxBytes)
{
    private readonly TcpConnection?[] _connections = new TcpConnection?[capacity];

    /// <summary>The number of connections dropped for newer ones or for their bytes.</summary>
    public long Evicted { get; private set; }

    /// <summary>Finds the connection of a question's flow.</summary>
    public TcpConnection? Find(in Flow flow, TimeSpan now)
    {
        foreach (TcpConnection? connection in _connections)
        {
            if (connection is { IsInUse: true } && connection.Flow == flow)
            {
                connection.LastSegment = now;
                return connection;
            }
        }
        return null;
    }

    /// <summary>Forgets the connection between these ports.</summary>
    public void Forget(in Flow flow)
    {
        foreach (TcpConnection? connection in _connections)
        {
            if (connection is { IsInUse: true } && connection.Flow == flow)
            {
                connection.End();
            }
        }
    }

    /// <summary>Adds a connection; it replaces an older one between the same ports.</summary>
    /// <param name="syn">The SYN.</param>
    /// <param name="now">Monotonic time.</param>
    public TcpConnection Start(in Packet syn, TimeSpan now)
    {
        TcpConnection? connection = Find(syn.Flow, now);
        if (connection is not null && connection.Questions.InitialSequence == syn.Sequence)
        {
            return connection; // a retransmitted SYN
        }
        connection ??= Room();
        connection.Start(syn, now);
        return connection;
    }

    /// <summary>Adds a connection whose SYN was not seen, at a segment that begins with a question.</summary>
    public TcpConnection Adopt(in Packet question, TimeSpan now)
    {
        TcpConnection connection = Room();
        connection.Adopt(question, now);
        return connection;
    }

    /// <summary>
    /// Enforces the limit of bytes: gives up the streams of other connections, starting with the connection
    /// that has been silent longest.
    /// </summary>
    /// <param name="connection">The connection that has just grown. It always fits if it is the only
    /// one.</param>
    public void Trim(TcpConnection connection)
    {
        while (connection.Size > 0)
        {
            int sum = 0;
            TcpConnection? victim = null;
            foreach (TcpConnection? other in _connections)
            {
                sum += other?.Size ?? 0;
                if (other is { Size: > 0 } && other != connection
                    && (victim is null || other.LastSegment < victim.LastSegment))
                {
                    victim = other;
                }
            }
            if (sum <= maxBytes || victim is null)
            {
                return;
            }
            Evicted++;
            victim.Questions.Lose();
            victim.Replies.Lose();
        }
    }

    private TcpConnection Room()
    {
        TcpConnection? victim = null;
        for (int i = 0; i < _connections.Length; i++)
        {
            if (_connections[i] is not { IsInUse: true } connection)
            {
                return _connections[i] ??= new TcpConnection();
            }
            if (victim is null || (connection.HasAsked, connection.LastSegment).CompareTo(
                (victim.HasAsked, victim.LastSegment)) < 0)
            {
                victim = connection;
            }
        }
        Evicted++;
        return victim!;
    }
}

/// <summary>One TCP connection to a name server, both directions.</summary>
internal sealed class TcpConnection
{
    private int _sentWithSyn; // bytes of a fast open (RFC 7413), which the SYN-ACK may acknowledge

    /// <summary>The stream from the client to the server.</summary>
    public TcpStream Questions { get; } = new();

    /// <summary>The stream from the server to the client.</summary>
    public TcpStream Replies { get; } = new();

    /// <summary>The flow of the questions.</summary>
    public Flow Flow { get; private set; }

    public bool IsInUse { get; private set; }

    /// <summary>
    /// The sequence number at which the next reply begins: the number that the client acknowledged when it
    /// last asked.
    /// </summary>
    public uint NextReply { get; set; }

    /// <summary>True once a question has been read from it.</summary>
    public bool HasAsked { get; set; }

    /// <summary>The monotonic time of the last segment in either direction.</summary>
    public TimeSpan LastSegment { get; set; }

    /// <summary>The bytes of its unfinished messages.</summary>
    public int Size => Questions.Size + Replies.Size;

    /// <summary>
    /// Starts the connection with its SYN. <see cref="Accept"/> starts the stream of replies.
    /// </summary>
    public void Start(in Packet syn, TimeSpan now)
    {
        Flow = syn.Flow;
        _sentWithSyn = syn.Payload.Length;
        IsInUse = true;
        HasAsked = false;
        LastSegment = now;
        Questions.Start(syn.Sequence);
        Replies.Reset();
    }

    /// <summary>
    /// Starts both streams at a segment that begins with a question: the first reply begins where the client
    /// has read everything, unless it still waits for another one.
    /// </summary>
    public void Adopt(in Packet question, TimeSpan now)
    {
        Start(question, now);
        Questions.Start(unchecked(question.Sequence - 1));
        Replies.Start(unchecked(question.Acknowledgment - 1));
    }

    /// <summary>Ends the connection and releases its memory.</summary>
    public void End()
    {
        IsInUse = false;
        Questions.Reset();
        Replies.Reset();
    }

    /// <summary>
    /// Processes the server's SYN-ACK. Ignores it unless it acknowledges the SYN, so that an attacker who did
    /// not see the SYN cannot interfere.
    /// </summary>
    public void Accept(in Packet packet)
    {
        uint acknowledged = unchecked(packet.Acknowledgment - Questions.InitialSequence - 1);
        if (packet.IsAck && acknowledged <= _sentWithSyn && !Replies.IsStarted)
        {
            Replies.Start(packet.Sequence);
        }
    }
}
