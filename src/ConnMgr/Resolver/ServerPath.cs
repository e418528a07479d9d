using System.Net;

namespace ConnMgr.Resolver;

/// <summary>Over which link the kernel sends a question to a name server now.</summary>
/// <param name="server">The server.</param>
/// <param name="link">The link's name; null if it is another device (a VPN, this host), which the user has
/// chosen; empty if there is no route.</param>
internal sealed class ServerPath(IPAddress server, string? link)
{
    public IPAddress Server => server;

    public string? Link => link;
}
