using System.Text;

namespace ConnMgr.Netlink;

/// <summary>
/// A kernel uevent of a network device: `add@/devices/…`, then NAME=VALUE fields, each ended by a zero byte.
/// </summary>
/// <param name="Action">`add`, `remove`, `move` (renamed) or another action.</param>
/// <param name="Interface">The name of the device.</param>
internal sealed record Uevent(string Action, string Interface)
{
    /// <summary>
    /// Reads a message. Returns false if it is malformed, from udev (starts with `libudev`), or not about a
    /// network device.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<byte> message, out Uevent uevent)
    {
        uevent = null!;
        string? action = null;
        string? name = null;
        bool isNet = false;
        bool isFirst = true;
        foreach (Range range in message.Split((byte)0))
        {
            ReadOnlySpan<byte> field = message[range];
            if (isFirst)
            {
                if (field.IndexOf((byte)'@') < 1)
                {
                    return false;
                }
                isFirst = false;
            }
            else if (field.StartsWith("ACTION="u8))
            {
                action = Encoding.UTF8.GetString(field[7..]);
            }
            else if (field.StartsWith("INTERFACE="u8))
            {
                name = Encoding.UTF8.GetString(field[10..]);
            }
            else
            {
                isNet |= field.SequenceEqual("SUBSYSTEM=net"u8);
            }
        }
        if (!isNet || action is null || string.IsNullOrEmpty(name))
        {
            return false;
        }
        uevent = new Uevent(action, name);
        return true;
    }
}
