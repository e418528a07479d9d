using ConnMgr.Dns;

namespace ConnMgr.Tests.Dns;

/// <summary>A TCP connection from the device to its server, in segments.</summary>
internal sealed class TcpTalk(WatchRig rig, string from = WatchRig.Device, string to = WatchRig.Server)
{
    private uint _asked = 0xffff_fff0; // soon beyond 2^32
    private uint _answered = 0xffff_ff00;

    public TimeSpan Now { get; set; } = TimeSpan.FromHours(1);

    public DnsSide Side { get; set; } = DnsSide.Device;

    public void Open(uint asked = 0xffff_fff0, uint answered = 0xffff_ff00)
    {
        (_asked, _answered) = (asked, answered);
        Syn();
        SynAck(_answered, _asked + 1);
    }

    public void Syn() =>
        rig.Watch.SeeQuestion(PacketBuilder.Tcp(from, to, _asked, [], PacketBuilder.Syn), Side, Now);

    public void SynAck(uint sequence, uint acknowledgment) => _ = rig.SeeReply(
        PacketBuilder.Tcp(to, from, sequence, [], PacketBuilder.Syn | PacketBuilder.Ack, acknowledgment),
        Side, null, Now);

    /// <summary>
    /// Sends bytes of the question stream that begin at this offset, and acknowledges replies.
    /// </summary>
    public void Ask(byte[] bytes, int at = 0, int received = 0) => rig.Watch.SeeQuestion(
        PacketBuilder.Tcp(
            from, to, _asked + 1 + (uint)at, bytes, PacketBuilder.Ack, _answered + 1 + (uint)received),
        Side, Now);

    public DnsVerdict Reply(int at, byte[] bytes) =>
        rig.SeeReply(PacketBuilder.Tcp(to, from, _answered + 1 + (uint)at, bytes), Side, null, Now);
}
