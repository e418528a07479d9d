using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using ConnMgr.Dns;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.Probe;

/// <summary>
/// Sends questions to name servers, and passes on the answers. Questions to the same server at almost the
/// same time share a socket, so that many silent servers do not use up the descriptors of the process.
/// </summary>
/// <remarks>
/// A forger must guess the port and the id (RFC 5452 section 4). The kernel chooses a random port for each
/// socket, each socket takes few questions, and each question has its own random id. A repeated question gets
/// a newer socket: a socket that was connected just when the link received its address may have the source
/// address of another link.
/// </remarks>
/// <param name="loop">The event loop.</param>
/// <param name="unanswered">Judges each socket on which no answer has come, 1 s after the socket was opened.
/// If it says that this device drops the packets, it is asked again 0.5 s later, because a late answer may be
/// on its way. Null if it is not needed.</param>
internal sealed unsafe class QuestionRunner(Loop loop, Unanswered? unanswered = null)
{
    /// <summary>
    /// The largest number of sockets. When it is reached, a question shares an older socket, or the oldest
    /// socket is closed.
    /// </summary>
    public const int MaxSockets = 16;

    /// <summary>The largest number of questions that one socket takes.</summary>
    public const int MaxQuestions = 64;

    private const int DnsPort = 53;
    private const int LargestAnswer = 4096;

    /// <summary>
    /// The time for which a new socket takes further questions. It is shorter than the interval at which
    /// questions are repeated, so a repeated question gets a newer socket.
    /// </summary>
    private static readonly TimeSpan Fresh = TimeSpan.FromMilliseconds(250);

    private static readonly TimeSpan LongWait = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LastLook = TimeSpan.FromSeconds(0.5);

    private readonly List<Shared> _sockets = []; // the oldest first
    private Deadline? _later;

    /// <summary>The number of open sockets.</summary>
    public int SocketCount => _sockets.Count;

    /// <summary>Asks a server.</summary>
    /// <param name="device">The interface name of the link.</param>
    /// <param name="server">The server.</param>
    /// <param name="question">The question.</param>
    /// <param name="answered">Receives answers until <see cref="End"/>, perhaps several.</param>
    /// <param name="error">The error if the result is null.</param>
    public Asked? Ask(
        string device, IPAddress server, in DnsQuestion question, AnswerHandler answered,
        out KernelError error)
    {
        error = KernelError.None;
        if ((Find(device, server) ?? Open(device, server, out error)) is not { } socket)
        {
            return null;
        }
        Asked asked = new(socket, socket.NewId(), answered);
        socket.Asked.Add(asked);
        socket.Count++;
        byte* query = stackalloc byte[DnsQuestion.MaxQuerySize];
        asked.Size = question.WriteQuery(new Span<byte>(query, DnsQuestion.MaxQuerySize), asked.Id);
        // The first error may belong to an earlier question: the kernel reports a refusal once, to send(2) as
        // well as to recv(2). The server will refuse this question too; all questions of the socket then
        // learn of it.
        for (int i = 0; i < 2 && !asked.IsSent; i++)
        {
            asked.IsSent = (nint)LibC.send(socket.Fd, query, asked.Size, LibC.MSG_NOSIGNAL) > 0;
        }
        if (!asked.IsSent && Errno.Last == Errno.EPERM) // the kernel's rules drop it
        {
            _ = Judge(socket, isRefused: true);
        }
        return asked;
    }

    /// <summary>
    /// Ends a question, which then receives no further answer. Closes the socket once all its questions have
    /// ended. Ending a question again has no effect.
    /// </summary>
    public void End(Asked asked)
    {
        asked.Socket.Asked.Remove(asked);
        if (asked.Socket.Asked.Count > 0)
        {
            return;
        }
        Shared socket = asked.Socket;
        if (unanswered is null || socket.IsAnswered || !asked.IsSent || !_sockets.Contains(socket))
        {
            Close(socket);
            return;
        }
        socket.LookAt = socket.OpenedAt + LongWait;
        LookLater();
    }

    private void LookLater()
    {
        TimeSpan next = TimeSpan.MaxValue;
        foreach (Shared socket in _sockets)
        {
            next = socket.Asked.Count == 0 && socket.LookAt < next ? socket.LookAt : next;
        }
        if (next == TimeSpan.MaxValue)
        {
            _later?.Dispose();
            _later = null;
            return;
        }
        _later ??= loop.AddTimer(Look);
        _later.Set(next);
    }

    /// <summary>Judges and closes the sockets whose questions have ended without an answer.</summary>
    private void Look()
    {
        for (int i = _sockets.Count - 1; i >= 0; i--)
        {
            Shared socket = _sockets[i];
            if (socket.Asked.Count > 0 || socket.LookAt > loop.Now)
            {
                continue;
            }
            if (Judge(socket, isRefused: false) && !socket.IsSuspect)
            {
                socket.IsSuspect = true;
                socket.LookAt = loop.Now + LastLook;
                continue;
            }
            Close(socket);
        }
        LookLater();
    }

    private bool Judge(Shared socket, bool isRefused) =>
        LinkSocket.FlowOf(socket.Fd, socket.Server, DnsPort, isTcp: false) is { } flow
        && unanswered?.Invoke(flow, isRefused) == true;

    private Shared? Find(string device, IPAddress server)
    {
        bool isFull = _sockets.Count >= MaxSockets;
        for (int i = _sockets.Count - 1; i >= 0; i--)
        {
            Shared socket = _sockets[i];
            if (socket.Device == device && socket.Server.Equals(server) && socket.Count < MaxQuestions
                && (isFull || loop.Now - socket.OpenedAt < Fresh))
            {
                return socket;
            }
        }
        return null;
    }

    private Shared? Open(string device, IPAddress server, out KernelError error)
    {
        if (_sockets.Count >= MaxSockets)
        {
            Close(_sockets[0]); // its questions will be repeated
        }
        bool isIpv6 = server.AddressFamily == AddressFamily.InterNetworkV6;
        int family = isIpv6 ? LibC.AF_INET6 : LibC.AF_INET;
        int fd = LinkSocket.Open(family, LibC.SOCK_DGRAM, 0, device, out error);
        error = fd < 0 ? error : LinkSocket.Connect(fd, server, DnsPort);
        if (!error.IsNone)
        {
            if (fd >= 0)
            {
                _ = LibC.close(fd);
            }
            return null;
        }
        Shared socket = new(device, server, fd, loop.Now);
        socket.Token = loop.Add(fd, () => Receive(socket));
        _sockets.Add(socket);
        return socket;
    }

    private void Receive(Shared socket)
    {
        byte* buffer = stackalloc byte[LargestAnswer];
        nint size = (nint)LibC.recv(socket.Fd, buffer, LargestAnswer, 0);
        if (size < 0)
        {
            int errno = Errno.Last;
            if (errno is not (Errno.EAGAIN or Errno.EINTR))
            {
                Asked[] all = [.. socket.Asked];
                Close(socket);
                foreach (Asked asked in all)
                {
                    asked.Answered(default, new KernelError(errno));
                }
            }
            return;
        }
        socket.IsAnswered = true;
        if (socket.Asked.Count == 0)
        {
            Close(socket);
        }
        else if (size >= sizeof(ushort))
        {
            ReadOnlySpan<byte> message = new(buffer, (int)size);
            socket.Find(BinaryPrimitives.ReadUInt16BigEndian(message))?.Answered(message, KernelError.None);
        }
    }

    private void Close(Shared socket)
    {
        if (_sockets.Remove(socket))
        {
            socket.Asked.Clear();
            _ = LibC.close(socket.Fd);
            loop.Forget(socket.Token); // closing has removed it from the epoll set
        }
    }

    /// <summary>
    /// Receives an answer, or an error of the socket. The message has the question's id; the rest of it has
    /// not been checked.
    /// </summary>
    /// <param name="message">The message; empty if there is an error.</param>
    /// <param name="error">The error; none for a message.</param>
    internal delegate void AnswerHandler(ReadOnlySpan<byte> message, in KernelError error);

    /// <summary>One question to one server.</summary>
    internal sealed class Asked(Shared socket, ushort id, AnswerHandler answered)
    {
        public Shared Socket { get; } = socket;

        public ushort Id { get; } = id;

        public AnswerHandler Answered { get; } = answered;

        /// <summary>The size of the question, in bytes of DNS.</summary>
        public int Size { get; set; }

        public bool IsSent { get; set; }
    }

    /// <summary>A socket, and the open questions on it.</summary>
    internal sealed class Shared(string device, IPAddress server, int fd, TimeSpan openedAt)
    {
        public string Device { get; } = device;

        public IPAddress Server { get; } = server;

        public int Fd { get; } = fd;

        public TimeSpan OpenedAt { get; } = openedAt;

        public ulong Token { get; set; }

        public List<Asked> Asked { get; } = [];

        /// <summary>True once anything has arrived.</summary>
        public bool IsAnswered { get; set; }

        /// <summary>When to judge the socket, once its questions have ended without an answer.</summary>
        public TimeSpan LookAt { get; set; }

        /// <summary>
        /// True once a judgement has found that this device drops the answer; the next look confirms
        /// it.
        /// </summary>
        public bool IsSuspect { get; set; }

        /// <summary>The number of questions that it has taken.</summary>
        public int Count { get; set; }

        public ushort NewId()
        {
            ushort id = Entropy.UInt16();
            while (Find(id) is not null)
            {
                id = Entropy.UInt16();
            }
            return id;
        }

        public Asked? Find(ushort id)
        {
            foreach (Asked asked in Asked)
            {
                if (asked.Id == id)
                {
                    return asked;
                }
            }
            return null;
        }
    }
}
