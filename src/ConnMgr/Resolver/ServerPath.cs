using System.Net;

namespace ConnMgr.Resolver;

/// <summary>Over which link the kernel sends a question to a name server now.</summary>
/// <param name="server">The server.</param>
/// <param name="link">The link's name; null if it is another device (a VPN, this host), which the user has
/// chosen; empty if there is no route.</param>
/// <param name="network">The link whose network the server is in, or was in when that link still had an
/// address; null if that is none. Questions over another link seldom reach it.</param>
internal sealed class ServerPath(IPAddress server, string? link, string? network = null)
{
    public IPAddress Server => server;

    public string? Link => link;

    public string? Network => network;
}
