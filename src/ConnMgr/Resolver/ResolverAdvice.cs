using System.Net.Sockets;
using ConnMgr.Links;

namespace ConnMgr.Resolver;

/// <summary>Describes the resolver's name servers that are not asked over the link in use. Pure.</summary>
internal static class ResolverAdvice
{
    /// <summary>
    /// Returns the warning; empty if there is none, or if no link is in use. Compares each server with the
    /// link that packets of the server's address family use.
    /// </summary>
    public static string Words(IReadOnlyList<ServerPath> servers, ConnectionView view)
    {
        string words = "";
        foreach (ServerPath path in servers)
        {
            bool isIpv6 = path.Server.AddressFamily == AddressFamily.InterNetworkV6;
            string? inUse = (isIpv6 ? view.InUseIpv6 : view.InUseIpv4) ?? view.InUse?.Name;
            if (view.InUse is not null && path.Link is { } link
                && (link != inUse || (path.Network is { } network && network != link)))
            {
                words += (words.Length > 0 ? "; " : "") + $"the name server {path.Server} " + (
                    link.Length == 0 ? "cannot be reached"
                    : link != inUse ? $"is asked over {link}, not over {inUse}"
                    : $"is in the network of {path.Network}, and hardly answers over {link}");
            }
        }
        return words;
    }
}
