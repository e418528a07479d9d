using ConnMgr.Net;

namespace ConnMgr.Dns;

/// <content>The replies in one packet, read and judged one by one.</content>
internal sealed partial class DnsWatch
{
    /// <summary>
    /// Iterates over the replies in one packet: one in a UDP datagram, none or several in a TCP segment.
    /// </summary>
    internal ref struct Replies
    {
        private readonly DnsWatch? _watch; // null if no message is left
        private readonly ReadOnlySpan<byte> _datagram;
        private readonly Flow _flow;
        private readonly IpNumber _server;
        private readonly Origin _origin;
        private readonly bool _isForDevice;
        private readonly TcpConnection? _connection;
        private readonly TimeSpan _now;
        private TcpMessages _incoming;
        private bool _hasEnded;

        public Replies(DnsVerdict verdict)
        {
            Verdict = verdict;
            _origin = null!;
            _hasEnded = true;
        }

        public Replies(
            DnsWatch watch, scoped in Packet packet, scoped in Flow flow, Origin origin, bool isForDevice,
            TcpConnection? connection, TimeSpan now)
        {
            _watch = watch;
            _datagram = packet.Payload;
            _flow = flow;
            // On a link, conntrack names the server that was really asked, even if a rule redirected the
            // question.
            _server = origin == watch._bridge ? packet.Flow.Source : flow.Destination;
            _origin = origin;
            _isForDevice = isForDevice;
            _connection = connection;
            _now = now;
            Verdict = DnsVerdict.Unfinished;
            if (connection is not null)
            {
                _incoming = new TcpMessages(connection.Replies, packet);
            }
        }

        /// <summary>
        /// Answer if there was at least one; else the verdict on the last message. Final once all messages
        /// have been read.
        /// </summary>
        public DnsVerdict Verdict { get; private set; }

        /// <summary>
        /// True for a datagram whose addresses, ports and id match an open question, but which does not
        /// answer it: only a forger sends such a datagram. Final once all messages have been read.
        /// </summary>
        public bool IsFalse { get; private set; }

        /// <summary>
        /// Reads the next answer; false if there is none left. Includes answers of servers that do not count
        /// (<see cref="Counts"/>).
        /// </summary>
        public bool TryRead(out DnsAnswer answer)
        {
            answer = default;
            if (_hasEnded || _watch is null)
            {
                return false;
            }
            if (_connection is null)
            {
                _hasEnded = true;
                Verdict = _watch.Count(
                    _watch.Judge(_datagram, _flow, _server, _origin, _isForDevice, _now, out answer));
                IsFalse = Verdict is DnsVerdict.Malformed or DnsVerdict.NotAReply or DnsVerdict.WrongQuestion
                    && _watch.IsPending(_datagram, _flow, _origin, _now);
                return Verdict is DnsVerdict.Answer or DnsVerdict.UntrustedServer;
            }
            while (_incoming.TryRead(out ReadOnlySpan<byte> message))
            {
                DnsVerdict next = _watch.Count(
                    _watch.Judge(message, _flow, _server, _origin, _isForDevice, _now, out answer));
                Verdict = Verdict == DnsVerdict.Answer ? Verdict : next;
                if (next is DnsVerdict.Answer or DnsVerdict.UntrustedServer)
                {
                    return true;
                }
            }
            _hasEnded = true;
            if (!_incoming.KeepRest())
            {
                _watch._lostStreams++;
                Verdict = Verdict == DnsVerdict.Unfinished ? _watch.Count(DnsVerdict.LostStream) : Verdict;
            }
            _origin.Connections.Trim(_connection);
            return false;
        }
    }
}
