using System.Net;

namespace ConnMgr.Resolver;

/// <summary>The link over which the kernel now sends a question to a name server.</summary>
/// <param name="server">The server.</param>
/// <param name="link">The link's name; empty if there is no route; null if the route leads to another device,
/// such as a VPN or this host, which the user has chosen.</param>
/// <param name="network">The link whose network contains the server, or contained it while the link still had
/// an address; null if there is none. Questions over another link seldom reach the server.</param>
internal sealed class ServerPath(IPAddress server, string? link, string? network = null)
{
    public IPAddress Server => server;

    public string? Link => link;

    public string? Network => network;
}
