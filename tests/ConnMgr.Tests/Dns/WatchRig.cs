using System.Net;
using ConnMgr.Dns;
using ConnMgr.Net;

namespace ConnMgr.Tests.Dns;

/// <summary>A <see cref="DnsWatch"/> with a clock; formats what it hands over as text.</summary>
internal sealed class WatchRig
{
    public const string Device = "198.18.1.2 40000";
    public const string Server = "198.18.100.53 53";
    public const string Extender = "198.18.50.2 40000";

    public WatchRig(bool isAnyServer = true)
    {
        Watch = new DnsWatch(new NameHash(1, 2));
        IpNumber own = Number("198.18.100.53");
        Watch.SetServers([own], isAnyServer ? null : [own]);
    }

    public DnsWatch Watch { get; }

    /// <summary>True if the last packet claimed to answer an open question but did not.</summary>
    public bool IsFalse { get; private set; }

    public List<string> Answers { get; } = [];

    public TimeSpan Now { get; set; } = TimeSpan.FromHours(1);

    public static IpNumber Number(string address) => IpNumber.Of(IPAddress.Parse(address));

    public static byte[] Query(
        int id = GoldenMessages.Id, string name = "echo.afero.io", int type = 1, int dnsClass = 1) =>
        new MessageBuilder().Short(id, 0x0100, 1, 0, 0, 0).Name(name).Short(type, dnsClass).ToArray();

    public void Ask(
        string from = Device, string to = Server, DnsSide side = DnsSide.Device, byte[]? query = null) =>
        Watch.SeeQuestion(PacketBuilder.Udp(from, to, query ?? Query()), side, Now);

    public DnsVerdict Reply(
        string from = Server, string to = Device, DnsSide side = DnsSide.Device, byte[]? reply = null,
        Flow? asked = null) =>
        SeeReply(PacketBuilder.Udp(from, to, reply ?? GoldenMessages.Chain), side, asked, Now);

    public DnsVerdict SeeReply(ReadOnlySpan<byte> packet, DnsSide side, Flow? asked, TimeSpan now)
    {
        DnsWatch.Replies replies = Watch.SeeReply(packet, side, asked, now);
        while (replies.TryRead(out DnsAnswer answer))
        {
            if (!Watch.Counts(answer))
            {
                continue;
            }
            string text = answer.Question.Name.ToString();
            foreach (DnsAddress address in answer.Addresses)
            {
                text += $" {address.ToIPAddress()}/{address.Ttl}";
            }
            Answers.Add(text);
        }
        IsFalse = replies.IsFalse;
        return replies.Verdict;
    }
}
