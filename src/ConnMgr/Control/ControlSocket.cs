using System.Text;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.Control;

/// <summary>Writes the answer to a request into a buffer and returns the exit status of the verb.</summary>
internal delegate int ControlAnswer(in ControlRequest request, Utf8Text reply);

/// <summary>
/// The control socket of a running daemon: a client sends one line, receives one document, and the connection
/// is closed. Root and the user of the daemon may use it; with a group, its members may use the requests that
/// only read. The number of clients, their bytes and their time are limited, so that no client can harm the
/// daemon.
/// </summary>
internal sealed unsafe class ControlSocket : IDisposable
{
    public const int MaxClients = 16;

    /// <summary>The largest number of clients that may follow events at a time.</summary>
    public const int MaxFollowers = 8;

    /// <summary>The largest request in bytes, including the line feed.</summary>
    public const int MaxRequest = 128;

    /// <summary>
    /// The largest reply in bytes. This fits into the socket's send buffer, so the daemon rarely has to
    /// keep the rest for a slow reader.
    /// </summary>
    public const int MaxReply = 1 << 17;

    private const int SO_PEERCRED = 17; // <asm-generic/socket.h>, the same on x86, Arm and MIPS
    private const int SO_PEERGROUPS = 59; // the same
    private const int MostGroups = 65536; // NGROUPS_MAX, <linux/limits.h>
    private const int NoPermission = 77; // EX_NOPERM
    private const int Backlog = 32;
    private const uint Hangup = 0; // epoll always reports that the client has closed the connection

    private static readonly TimeSpan RequestLimit = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan ReadingLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan FollowingLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Forever = TimeSpan.MaxValue;
    private static readonly TimeSpan AcceptPause = TimeSpan.FromSeconds(1);

    private static ReadOnlySpan<byte> Busy => "{\"error\":\"busy\"}\n"u8;

    private readonly Loop _loop;
    private readonly EventRing _events;
    private readonly ControlAnswer _answer;
    private readonly Deadline _deadline;
    private readonly string _path;
    private readonly List<Client> _clients = [];
    private readonly Utf8Text _reply = new(MaxReply);
    private readonly int _fd;
    private readonly uint? _group;
    private ulong _token;
    private long _seenEvents;

    private ControlSocket(
        Loop loop, string path, int fd, EventRing events, ControlAnswer answer, uint? group)
    {
        _group = group;
        _loop = loop;
        _path = path;
        _fd = fd;
        _events = events;
        _answer = answer;
        _deadline = loop.AddTimer(OnDeadline);
        _token = loop.Add(fd, Accept);
    }

    /// <summary>Opens the socket and replaces a stale one.</summary>
    /// <param name="loop">Watches the socket and its clients.</param>
    /// <param name="path">At most 107 bytes, in a directory that only root can write to.</param>
    /// <param name="events">The events that the request `events` returns.</param>
    /// <param name="answer">Answers all other requests.</param>
    /// <param name="group">The id of the group whose members may use the requests that only read.</param>
    /// <param name="failure">The error as a phrase, if the result is null.</param>
    public static ControlSocket? Open(
        Loop loop, string path, EventRing events, ControlAnswer answer, uint? group,
        out string failure)
    {
        failure = "the path is longer than 107 bytes";
        if (!UnixAddress.TryMake(path, out sockaddr_un address))
        {
            return null;
        }
        int type = LibC.SOCK_STREAM | LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC;
        int fd = Errno.Check(LibC.socket(LibC.AF_UNIX, type, 0));
        _ = LibC.unlink(address.sun_path);
        // bind(2) creates the file with the mode of the socket (unix_bind(), net/unix/af_unix.c), so that no
        // other user can connect at any moment.
        if (LibC.fchmod(fd, 0x180 /* 0600 */) < 0
            || LibC.bind(fd, (sockaddr*)&address, sizeof(sockaddr_un)) < 0
            || LibC.listen(fd, Backlog) < 0
            // With a group, every user may connect, and Accept checks the user: the daemon has no right to
            // change the group of the file.
            || (group is not null && !IsOpenToAll(path, address)))
        {
            int errno = Errno.Last;
            failure = Errno.Text(errno);
            _ = LibC.close(fd);
            Errno.ThrowIfShortage(errno, path);
            return null;
        }
        return new ControlSocket(loop, path, fd, events, answer, group);
    }

    /// <summary>
    /// Lets all users connect, and reach the socket: the init system may have created the directory for root
    /// alone (UMask= in connmgr.service).
    /// </summary>
    private static bool IsOpenToAll(string path, sockaddr_un address)
    {
        using NativeStrings directory = new([Path.GetDirectoryName(path)!]);
        int flags = LibC.O_RDONLY | LibC.O_DIRECTORY | LibC.O_NOFOLLOW | LibC.O_CLOEXEC;
        int fd = LibC.open(directory.Pointer[0], flags, 0);
        if (fd >= 0)
        {
            // If the directory is a link, or belongs to another user, its owner must give the group
            // access.
            stat status;
            if (LibC.fstat(fd, &status) == 0 && (uint)status.st_uid == (uint)LibC.geteuid())
            {
                _ = LibcExtra.fchmod(fd, (uint)((status.st_mode & 0xFFF) | 0x49) /* 0111 */);
            }
            _ = LibC.close(fd);
        }
        return LibC.chmod(address.sun_path, 0x1B6 /* 0666 */) == 0;
    }

    /// <summary>
    /// Sends new events to the clients that follow them. Call it after each batch of the loop.
    /// </summary>
    public void Pump()
    {
        if (_events.LastNumber == _seenEvents)
        {
            return;
        }
        _seenEvents = _events.LastNumber;
        for (int i = _clients.Count - 1; i >= 0; i--)
        {
            if (_clients[i] is { Stream.Follows: true, Pending.Length: 0 } client)
            {
                Send(client);
            }
        }
    }

    private void Accept()
    {
        for (int i = 0; i < MaxClients; i++) // further clients wait for the next wake-up
        {
            int fd = LibC.accept4(_fd, null, null, LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC);
            if (fd < 0)
            {
                if (Errno.Last is not (Errno.EAGAIN or Errno.EINTR))
                {
                    Pause(); // e.g. out of descriptors: the same error would recur at once
                }
                break;
            }
            bool isTrusted = IsTrusted(fd);
            ReadOnlySpan<byte> refusal =
                !isTrusted && _group is null ? "{\"error\":\"not permitted\"}\n"u8
                : !isTrusted && !IsMember(fd) ? ControlClient.NotAMember
                : _clients.Count >= MaxClients ? Busy
                : default;
            if (refusal.Length > 0)
            {
                _ = Put(fd, refusal);
                _ = LibC.close(fd);
                continue;
            }
            Client client = new(fd) { At = _loop.Now + RequestLimit, IsTrusted = isTrusted };
            client.Token = _loop.Add(fd, () => Serve(client));
            _clients.Add(client);
        }
        SetDeadline();
    }

    private void Pause()
    {
        _loop.Remove(_fd, _token);
        _token = 0;
        _deadline.Set(_loop.Now + AcceptPause);
    }

    /// <summary>True for root and for the user of the daemon.</summary>
    private static bool IsTrusted(int fd)
    {
        int* credentials = stackalloc int[3]; // struct ucred: pid, uid, gid
        socklen_t length = 3 * sizeof(int);
        return LibC.getsockopt(fd, LibC.SOL_SOCKET, SO_PEERCRED, credentials, &length) == 0
            && ((uint)credentials[1] == 0 || (uint)credentials[1] == LibC.geteuid());
    }

    /// <summary>True if the client's process belongs to the group, by its own group or another one.</summary>
    private bool IsMember(int fd)
    {
        int* credentials = stackalloc int[3];
        socklen_t length = 3 * sizeof(int);
        if (LibC.getsockopt(fd, LibC.SOL_SOCKET, SO_PEERCRED, credentials, &length) < 0)
        {
            return false;
        }
        if ((uint)credentials[2] == _group)
        {
            return true;
        }
        length = 0;
        uint[] groups = [];
        // The first call fails with ERANGE, and says how much room it needs.
        if (LibC.getsockopt(fd, LibC.SOL_SOCKET, SO_PEERGROUPS, null, &length) < 0
            && (int)length is > 0 and <= MostGroups * sizeof(uint))
        {
            groups = new uint[(int)length / sizeof(uint)];
            fixed (uint* first = groups)
            {
                if (LibC.getsockopt(fd, LibC.SOL_SOCKET, SO_PEERGROUPS, first, &length) < 0)
                {
                    return false;
                }
            }
        }
        return _group is { } group && Array.IndexOf(groups, group) >= 0;
    }

    private void Serve(Client client)
    {
        if (!client.HasAsked)
        {
            Read(client);
        }
        else if (client.Pending.Length > 0)
        {
            Send(client);
        }
        else
        {
            Drop(client); // a client that follows events sends nothing: it has closed the connection
        }
    }

    private void Read(Client client)
    {
        byte* buffer = stackalloc byte[MaxRequest];
        nint count = (nint)LibC.recv(client.Fd, buffer, MaxRequest - client.Length, 0);
        if (count <= 0)
        {
            if (count == 0 || Errno.Last is not (Errno.EAGAIN or Errno.EINTR))
            {
                Drop(client);
            }
            return;
        }

        new ReadOnlySpan<byte>(buffer, (int)count).CopyTo(client.Request.AsSpan(client.Length));
        client.Length += (int)count;
        int end = client.Request.AsSpan(0, client.Length).IndexOf((byte)'\n');
        if (end >= 0)
        {
            Answer(client, client.Request.AsSpan(0, end));
        }
        else if (client.Length == MaxRequest)
        {
            Drop(client);
        }
    }

    private void Answer(Client client, ReadOnlySpan<byte> line)
    {
        client.HasAsked = true;
        if (!ControlRequest.TryParse(line, out ControlRequest request))
        {
            client.Pending = "{\"error\":\"no such request\"}\n"u8.ToArray();
        }
        else if (request.Verb is ControlVerb.Reload or ControlVerb.Use && !client.IsTrusted)
        {
            client.Pending = Encoding.UTF8.GetBytes(
                (request.WithExitStatus ? $"{NoPermission}\n" : "")
                + "only root and the user of the daemon may change anything\n");
        }
        else if (request.Follows && CountFollowers() >= MaxFollowers)
        {
            client.Pending = Busy.ToArray();
        }
        else if (request.Verb == ControlVerb.Events)
        {
            client.Stream = new EventStream(request, _events, _loop.Now);
        }
        else
        {
            _reply.Clear();
            int status = _answer(request, _reply);
            Utf8Text head = new(8);
            if (request.WithExitStatus)
            {
                head.Add(status).Add('\n');
            }
            client.Pending = (byte[])
                [.. head.Bytes, .. _reply.IsCut ? "{\"error\":\"the reply is too long\"}\n"u8 : _reply.Bytes];
        }
        Send(client);
    }

    private int CountFollowers()
    {
        int count = 0;
        foreach (Client client in _clients)
        {
            count += client.Stream is { Follows: true } ? 1 : 0;
        }
        return count;
    }

    private void Send(Client client)
    {
        while (true)
        {
            while (client.Pending.Length > 0)
            {
                nint sent = Put(client.Fd, client.Pending.Span);
                if (sent < 0)
                {
                    if (Errno.Last == Errno.EAGAIN)
                    {
                        bool follows = client.Stream is { Follows: true };
                        WaitFor(client, Loop.Writable, follows ? FollowingLimit : ReadingLimit);
                    }
                    else
                    {
                        Drop(client);
                    }
                    return;
                }
                client.Pending = client.Pending[(int)sent..];
            }

            _reply.Clear();
            client.Stream?.AddSome(_events, _reply);
            if (_reply.Length == 0)
            {
                if (client.Stream is { Follows: true })
                {
                    WaitFor(client, Hangup, Forever);
                }
                else
                {
                    Drop(client);
                }
                return;
            }
            client.Pending = _reply.Bytes.ToArray();
        }
    }

    private void WaitFor(Client client, uint events, TimeSpan limit)
    {
        client.At = limit == Forever ? Forever : _loop.Now + limit;
        if (events != client.Events)
        {
            client.Events = events;
            _loop.Modify(client.Fd, client.Token, events);
        }
        SetDeadline();
    }

    private static nint Put(int fd, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* begin = bytes)
        {
            return (nint)LibC.send(fd, begin, bytes.Length, LibC.MSG_NOSIGNAL);
        }
    }

    private void Drop(Client client)
    {
        if (_clients.Remove(client))
        {
            _loop.Remove(client.Fd, client.Token);
            _ = LibC.close(client.Fd);
        }
    }

    private void OnDeadline()
    {
        TimeSpan now = _loop.Now;
        for (int i = _clients.Count - 1; i >= 0; i--)
        {
            if (_clients[i].At <= now)
            {
                Drop(_clients[i]);
            }
        }
        if (_token == 0)
        {
            _token = _loop.Add(_fd, Accept);
        }
        SetDeadline();
    }

    private void SetDeadline()
    {
        TimeSpan next = _token == 0 ? _deadline.At : Forever;
        foreach (Client client in _clients)
        {
            next = client.At < next ? client.At : next;
        }
        _deadline.Set(next);
    }

    public void Dispose()
    {
        while (_clients.Count > 0)
        {
            Drop(_clients[^1]);
        }
        _deadline.Dispose();
        if (_token != 0)
        {
            _loop.Remove(_fd, _token);
        }
        _ = LibC.close(_fd);
        using NativeStrings path = new([_path]);
        _ = LibC.unlink(path.Pointer[0]);
    }

    private sealed class Client(int fd)
    {
        public int Fd { get; } = fd;

        public ulong Token { get; set; }

        /// <summary>The events that epoll watches for.</summary>
        public uint Events { get; set; } = Loop.Readable;

        /// <summary>The deadline of the client.</summary>
        public TimeSpan At { get; set; }

        public byte[] Request { get; } = new byte[MaxRequest];

        /// <summary>The number of bytes of the request received so far.</summary>
        public int Length { get; set; }

        /// <summary>True if the client may change something, not only read.</summary>
        public bool IsTrusted { get; init; }

        public bool HasAsked { get; set; }

        /// <summary>The bytes to send next.</summary>
        public ReadOnlyMemory<byte> Pending { get; set; }

        /// <summary>The events to send after that.</summary>
        public EventStream? Stream { get; set; }
    }
}
