using System.Text;
using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// Which name servers may be asked over port 53: those that the device uses, or those that the user lists.
/// The name servers that run on the device, which may be recursive, may ask any server. Pure.
/// </summary>
internal sealed class ServerPolicy
{
    /// <summary>The port of name servers.</summary>
    public const ushort Port = 53;

    /// <summary>The largest number of servers; further ones are ignored.</summary>
    public const int MaxServers = 64;

    /// <summary>The largest number of users; further ones are ignored.</summary>
    public const int MaxUsers = 16;

    private const int MaxShown = 8;

    /// <summary>The users as which distributions run name servers.</summary>
    private static readonly string[] KnownUsers =
    [
        "dnsmasq", "unbound", "_unbound", "bind", "named", "systemd-resolve", "pdns", "pdns-recursor",
        "knot-resolver", "stubby", "dnscrypt-proxy", "_dnscrypt-proxy", "dnsdist", "_dnsdist", "adguardhome",
        "coredns", "smartdns", "libvirt-dnsmasq",
    ];

    /// <summary>
    /// A server that the device no longer uses may be asked for this long: a local resolver or a program may
    /// not know of the change yet, and answers are on their way.
    /// </summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    private readonly List<IpNumber> _servers = [];
    private readonly List<TimeSpan> _until = []; // of each server; MaxValue while it is in use
    private readonly List<uint> _users = [];
    private bool _isUserUnknown; // a name server of the device may run as any user

    /// <summary>The servers that may be asked.</summary>
    public IReadOnlyList<IpNumber> Servers => _servers;

    /// <summary>
    /// The users of the device's own name servers, also of those that may start later. They may ask any
    /// server.
    /// </summary>
    public IReadOnlyList<uint> Users => _users;

    /// <summary>True if a name server runs on the device. Then the answer of each server counts.</summary>
    public bool IsLocalFound { get; private set; }

    /// <summary>
    /// True if no server is known, or a name server of the device may run as any user. Then any server may be
    /// asked, because nothing would be resolved otherwise.
    /// </summary>
    public bool IsAny => _isUserUnknown || (_servers.Count == 0 && !IsLocalFound);

    /// <summary>When <see cref="Use"/> has work although the servers are the same.</summary>
    public TimeSpan NextDeadline
    {
        get
        {
            TimeSpan next = TimeSpan.MaxValue;
            foreach (TimeSpan until in _until)
            {
                next = until < next ? until : next;
            }
            return next;
        }
    }

    /// <summary>Sets the servers in use.</summary>
    /// <returns>True if <see cref="Servers"/> has changed.</returns>
    public bool Use(IReadOnlyList<IpNumber> used, TimeSpan now)
    {
        bool hasChanged = false;
        for (int i = _servers.Count - 1; i >= 0; i--)
        {
            if (used.Contains(_servers[i]))
            {
                _until[i] = TimeSpan.MaxValue;
            }
            else if (_until[i] == TimeSpan.MaxValue)
            {
                _until[i] = now + Grace;
            }
            else if (_until[i] <= now)
            {
                _servers.RemoveAt(i);
                _until.RemoveAt(i);
                hasChanged = true;
            }
        }
        foreach (IpNumber server in used)
        {
            if (_servers.Count < MaxServers && !_servers.Contains(server))
            {
                _servers.Add(server);
                _until.Add(TimeSpan.MaxValue);
                hasChanged = true;
            }
        }
        return hasChanged;
    }

    /// <summary>
    /// Adds the users of sockets that are bound to port 53, from the text of /proc/net/udp or udp6
    /// (net/ipv4/udp.c, udp4_format_sock).
    /// </summary>
    /// <param name="text">The list of sockets, or whole lines of it.</param>
    /// <param name="accounts">Returns the text of /etc/passwd, which is rarely needed.</param>
    /// <returns>True if <see cref="Users"/> or <see cref="IsLocalFound"/> has changed.</returns>
    public bool SeeSockets(ReadOnlySpan<char> text, Func<string> accounts)
    {
        const int Local = 1;
        const int Remote = 2;
        const int User = 7;
        Span<Range> columns = stackalloc Range[User + 2];
        bool hasChanged = false;
        foreach (ReadOnlySpan<char> line in text.EnumerateLines())
        {
            if (line.Split(columns, ' ', StringSplitOptions.RemoveEmptyEntries) > User
                && line[columns[Local]].EndsWith(":0035", StringComparison.Ordinal)
                && line[columns[Remote]].EndsWith(":0000", StringComparison.Ordinal)
                && uint.TryParse(line[columns[User]], out uint user))
            {
                hasChanged |= SeeSocket(user, accounts);
            }
        }
        return hasChanged;
    }

    /// <summary>
    /// Adds the user of a socket that is bound to port 53. Only a privileged process can bind that port. If
    /// root has bound it, the name server may run as another user by now: adds the users that distributions
    /// have for name servers. A user stays until <see cref="ForgetUsers"/>: a name server may be restarted.
    /// </summary>
    /// <param name="user">The user who made the socket.</param>
    /// <param name="accounts">Returns the text of /etc/passwd.</param>
    /// <returns>True if <see cref="Users"/> or <see cref="IsLocalFound"/> has changed.</returns>
    public bool SeeSocket(uint user, Func<string> accounts)
    {
        bool isNew = TryAdd(user);
        bool hasChanged = isNew || !IsLocalFound;
        IsLocalFound = true;
        if (isNew && user == 0)
        {
            _isUserUnknown = !AddKnown(accounts());
        }
        return hasChanged;
    }

    /// <summary>
    /// Adds the users that distributions have for name servers before such a name server is seen. Without
    /// this, PowerDNS would wait: it does not ask a server for a minute after its first questions got no
    /// answer. Only root can become these users.
    /// </summary>
    /// <param name="accounts">The text of /etc/passwd.</param>
    public void Presume(ReadOnlySpan<char> accounts) => _ = AddKnown(accounts);

    private bool AddKnown(ReadOnlySpan<char> accounts)
    {
        const int Name = 0;
        const int User = 2;
        Span<Range> columns = stackalloc Range[User + 2];
        bool hasFound = false;
        foreach (ReadOnlySpan<char> line in accounts.EnumerateLines())
        {
            if (line.Split(columns, ':') <= User || !uint.TryParse(line[columns[User]], out uint user))
            {
                continue;
            }
            foreach (string known in KnownUsers)
            {
                if (line[columns[Name]].SequenceEqual(known))
                {
                    hasFound = true;
                    _ = TryAdd(user);
                }
            }
        }
        return hasFound;
    }

    private bool TryAdd(uint user)
    {
        bool isNew = _users.Count < MaxUsers && !_users.Contains(user);
        if (isNew)
        {
            _users.Add(user);
        }
        return isNew;
    }

    /// <summary>
    /// Forgets the users, because name servers may be gone; those that run are found again.
    /// </summary>
    public void ForgetUsers()
    {
        _users.Clear();
        IsLocalFound = false;
        _isUserUnknown = false;
    }

    /// <summary>Describes the policy for people, as a phrase.</summary>
    public override string ToString()
    {
        if (IsAny)
        {
            return _isUserUnknown
                ? "any, since root has started a name server of the device, which may run as any user"
                : "any, since the device has no name server";
        }
        StringBuilder text = new();
        for (int i = 0; i < Math.Min(_servers.Count, MaxShown); i++)
        {
            _ = text.Append(i > 0 ? ", " : "").Append(_servers[i].ToString());
        }
        if (_servers.Count > MaxShown)
        {
            _ = text.Append(" and ").Append(_servers.Count - MaxShown).Append(" more");
        }
        if (_users.Count > 0)
        {
            _ = text.Append(text.Length > 0 ? "; " : "").Append("any for ");
            for (int i = 0; i < _users.Count; i++)
            {
                _ = text.Append(i > 0 ? ", " : "")
                    .Append(_users[i] == 0 ? "root" : "user ").Append(_users[i] == 0 ? "" : $"{_users[i]}");
            }
            _ = text.Append(", for name servers of the device");
        }
        return text.ToString();
    }
}
