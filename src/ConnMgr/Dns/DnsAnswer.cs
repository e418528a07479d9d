using ConnMgr.Net;

namespace ConnMgr.Dns;

/// <summary>An answer to a question that <see cref="DnsWatch"/> has seen.</summary>
/// <param name="question">The question.</param>
/// <param name="addresses">The addresses in the answer, if any; valid until the next reply is read.</param>
/// <param name="aliases">The steps from the question's name to other names; valid until the next reply is
/// read.</param>
/// <param name="server">The address of the server that answered.</param>
/// <param name="isOfDevice">True if the device itself asked; false if an extender asked, or may have
/// asked.</param>
internal readonly ref struct DnsAnswer(
    scoped in DnsQuestion question, ReadOnlySpan<DnsAddress> addresses, ReadOnlySpan<DnsAlias> aliases,
    IpNumber server, bool isOfDevice)
{
    public readonly DnsQuestion Question = question;

    public readonly ReadOnlySpan<DnsAddress> Addresses = addresses;

    public readonly ReadOnlySpan<DnsAlias> Aliases = aliases;

    public readonly IpNumber Server = server;

    public readonly bool IsOfDevice = isOfDevice;
}
