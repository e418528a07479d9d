using ConnMgr.Net;

namespace ConnMgr.Dns;

/// <summary>
/// TCP connections to name servers whose beginning was seen. Bounded in number and in bytes: the one that has been silent
/// for longest goes, one that has asked nothing yet before others.
/// </summary>
/// <param name="capacity">How many it remembers.</param>
/// <param name="maxBytes">What all their unfinished messages may take together; room for one connection at least.</param>
internal sealed class TcpConnections(int capacity, int maxBytes)
{
    private readonly TcpConnection?[] _connections = new TcpConnection?[capacity];

    /// <summary>How many had to go for newer ones, or for their bytes.</summary>
    public long Evicted { get; private set; }

    /// <summary>The connection of a question's flow.</summary>
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

    /// <summary>What was between these ports is over.</summary>
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

    /// <summary>Begins to remember a connection; an older one between the same ports is over.</summary>
    /// <param name="syn">The packet with which it begins.</param>
    /// <param name="now">Monotonic.</param>
    public TcpConnection Start(in Packet syn, TimeSpan now)
    {
        TcpConnection? connection = Find(syn.Flow, now);
        if (connection is not null && connection.Questions.InitialSequence == syn.Sequence)
        {
            return connection; // the SYN once more
        }
        connection ??= Room();
        connection.Start(syn, now);
        return connection;
    }

    /// <summary>Keeps within the bytes allowed: the unfinished messages of others go, the longest silent first.</summary>
    /// <param name="connection">That has just grown; alone it always fits.</param>
    public void Trim(TcpConnection connection)
    {
        while (connection.Size > 0)
        {
            int sum = 0;
            TcpConnection? victim = null;
            foreach (TcpConnection? other in _connections)
            {
                sum += other?.Size ?? 0;
                if (other is { Size: > 0 } && other != connection && (victim is null || other.LastSegment < victim.LastSegment))
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
            if (victim is null || (connection.HasAsked, connection.LastSegment).CompareTo((victim.HasAsked, victim.LastSegment)) < 0)
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
    private int _sentWithSyn; // bytes of a fast open (RFC 7413): the SYN's acknowledgment may count them

    public TcpStream Questions { get; } = new();

    public TcpStream Replies { get; } = new();

    /// <summary>Of the packets that ask.</summary>
    public Flow Flow { get; private set; }

    public bool IsInUse { get; private set; }

    /// <summary>A question has been read from it.</summary>
    public bool HasAsked { get; set; }

    /// <summary>When there was last one of either direction, monotonic.</summary>
    public TimeSpan LastSegment { get; set; }

    /// <summary>Bytes that its unfinished messages take.</summary>
    public int Size => Questions.Size + Replies.Size;

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

    /// <summary>It is forgotten, and its memory given back.</summary>
    public void End()
    {
        IsInUse = false;
        Questions.Reset();
        Replies.Reset();
    }

    /// <summary>
    /// The server accepts. Only what acknowledges the SYN counts, so that nobody who did not see it can disturb.
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
