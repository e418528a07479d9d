using ConnMgr.Netlink;
using CsCheck;

namespace ConnMgr.Tests.Netlink;

public class NetlinkReaderTests
{
    [Fact]
    public void Any_bytes_are_read_without_an_exception_and_to_an_end()
    {
        Gen.Byte.Array[0, 300].Sample(
            bytes => Read(bytes) <= bytes.Length / NetlinkReader.HeaderSize, iter: 50_000);
    }

    [Fact]
    public void Every_real_message_cut_anywhere_and_with_any_byte_changed_is_survived()
    {
        foreach (byte[] golden in Golden.Messages)
        {
            Assert.True(Read(golden) >= 1);
            for (int length = 0; length < golden.Length; length++)
            {
                Read(golden[..length]);
            }
            for (int at = 0; at < golden.Length; at++)
            {
                byte[] changed = [.. golden];
                for (int value = 0; value < 256; value++)
                {
                    changed[at] = (byte)value;
                    Read(changed);
                }
            }
        }
    }

    /// <summary>Reads all messages as all kinds to the end; returns the number of messages.</summary>
    private static int Read(byte[] bytes)
    {
        int count = 0;
        KernelState table = new();
        NetlinkReader reader = new(bytes);
        while (reader.TryRead(out NetlinkMessage message))
        {
            count++;
            table.Apply(message, isDumpRow: count % 2 == 0);
            _ = Uevent.TryParse(message.Payload, out _);
        }
        return count;
    }
}
