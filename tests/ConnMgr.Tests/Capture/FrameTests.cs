using System.Net;
using ConnMgr.Capture;
using CsCheck;

namespace ConnMgr.Tests.Capture;

public sealed class FrameTests
{
    [Fact]
    public void Packets_are_described_in_a_line()
    {
        string text = string.Join('\n', Golden.All.Select(packet =>
            Frame.TryDescribe(packet, out string? description, out IPAddress? source)
                ? $"{source}: {description}"
                : "nothing"));

        Assert.Equal(
            """
            198.18.100.10: TCP 198.18.100.10:443 -> 198.18.1.2:50122, 44 bytes
            198.18.100.10: TCP 198.18.100.10:443 -> 198.18.1.2:50122, 44 bytes
            8.8.8.8: UDP 8.8.8.8:53 -> 198.18.1.2:40000, 40 bytes
            8.8.8.8: ICMP type 0 8.8.8.8 -> 198.18.1.2, 32 bytes
            203.0.113.1: ICMP type 3 203.0.113.1 -> 198.18.1.2, 56 bytes
            2001:db8:100::10: TCP [2001:db8:100::10]:443 -> [2001:db8:1::2]:50122, 60 bytes
            2001:db8:100::10: ICMPv6 type 129 2001:db8:100::10 -> 2001:db8:1::2, 48 bytes
            2001:db8:100::10: ICMPv6 type 129 2001:db8:100::10 -> 2001:db8:1::2, 56 bytes
            203.0.113.9: protocol 50 203.0.113.9 -> 198.18.1.2, 28 bytes
            """,
            text);
    }

    [Fact]
    public void A_packet_longer_than_what_was_kept_is_described_with_its_whole_length()
    {
        byte[] packet = [.. Golden.TcpSynAck, .. new byte[84]];
        (packet[2], packet[3]) = (1500 >> 8, 1500 & 0xff);

        Assert.True(Frame.TryDescribe(packet, out string? description, out _));
        Assert.Equal("TCP 198.18.100.10:443 -> 198.18.1.2:50122, 1500 bytes", description);
    }

    [Fact]
    public void Golden_packets_cut_off_anywhere_or_with_any_byte_changed_never_throw()
    {
        foreach (byte[] packet in Golden.All)
        {
            for (int at = 0; at < packet.Length; at++)
            {
                Describe(packet.AsSpan(0, at));
                byte original = packet[at];
                for (int value = 0; value < 256; value++)
                {
                    byte[] changed = [.. packet];
                    changed[at] = (byte)(original ^ value);
                    Describe(changed);
                }
            }
        }
    }

    [Fact]
    public void Any_bytes_never_throw() =>
        Gen.Byte.Array[0, EvidenceFilter.SnapLength]
            .Sample(bytes => Describe(bytes), iter: 20_000, print: Convert.ToHexString);

    [Fact]
    public void Bytes_that_begin_as_IP_never_throw() =>
        Gen.Select(
                Gen.OneOf<byte>(0x45, 0x4f, 0x60),
                Gen.OneOf<byte>(4, 6, 41, 0, 43, 44, 50, 51, 60, 17, 1, 58),
                Gen.Byte.Array[39, 127])
            .Sample(
                (version, protocol, rest) =>
                {
                    rest[version < 0x60 ? 8 : 5] = protocol;
                    Describe([version, .. rest]);
                },
                iter: 20_000);

    [Fact]
    public void Shaped_packets_never_throw() =>
        PacketGen.Packet.Sample(packet => Describe(packet), iter: 20_000, print: Convert.ToHexString);

    private static void Describe(ReadOnlySpan<byte> packet)
    {
        bool isDescribed = Frame.TryDescribe(packet, out string? description, out IPAddress? source);
        Assert.Equal(isDescribed, description is not null);
        Assert.Equal(isDescribed, source is not null);
        Assert.True(description is null
            || (description.Length < 150 && description.All(c => c is >= ' ' and <= '~')));
    }
}
