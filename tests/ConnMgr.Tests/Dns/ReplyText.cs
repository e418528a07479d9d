using System.Text;
using ConnMgr.Dns;

namespace ConnMgr.Tests.Dns;

/// <summary>Formats the complete result of reading a reply as text.</summary>
internal static class ReplyText
{
    public static DnsQuestion Question(string name = "echo.afero.io", ushort type = DnsType.A)
    {
        Assert.True(DnsName.TryParse(name, out DnsName parsed));
        return new DnsQuestion(parsed, type);
    }

    public static string Of(
        byte[] message, ushort type = DnsType.A, string name = "echo.afero.io", int room = 8)
    {
        DnsAddress[] addresses = new DnsAddress[room];
        DnsReply reply = DnsReply.Read(message, GoldenMessages.Id, Question(name, type), addresses);
        Assert.InRange(reply.Count, 0, room);
        StringBuilder text = new(reply.Outcome.ToString());
        _ = reply.Flaw != DnsFlaw.None ? text.Append(": ").Append(reply.Flaw) : text;
        _ = reply.Rcode != 0 ? text.Append(" rcode ").Append(reply.Rcode) : text;
        foreach (DnsAddress address in addresses.AsSpan(0, reply.Count))
        {
            text.Append($" {address.ToIPAddress()}/{address.Ttl}");
        }
        _ = reply.Omitted != 0 ? text.Append($" and {reply.Omitted} more") : text;
        return text.ToString();
    }
}
