using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace ConnMgr.Net;

/// <summary>
/// An address with its prefix length, as rtnetlink reports it. Bits beyond the prefix may be set.
/// </summary>
/// <param name="Address">IPv4 or IPv6.</param>
/// <param name="PrefixLength">0 to 32 or 0 to 128 bits.</param>
internal readonly record struct Subnet(IPAddress Address, int PrefixLength)
{
    public bool IsIPv6 => Address.AddressFamily == AddressFamily.InterNetworkV6;

    /// <summary>Parses a constant, e.g. `192.0.2.1/24`. Throws if it is malformed.</summary>
    public static Subnet Parse(string text)
    {
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        IPAddress address = IPAddress.Parse(text.AsSpan(0, slash));
        return new Subnet(address, int.Parse(text.AsSpan(slash + 1), CultureInfo.InvariantCulture));
    }

    /// <summary>
    /// Returns the subnet of this prefix length that contains the address; bits beyond the prefix are zero.
    /// </summary>
    public Subnet Network(int prefixLength)
    {
        Subnet subnet = this with { PrefixLength = prefixLength };
        byte[] bytes = Address.GetAddressBytes();
        for (int i = 0; i < bytes.Length / 4; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(4 * i), Word(i) & subnet.Mask(i));
        }
        return subnet with { Address = new IPAddress(bytes) };
    }

    /// <summary>
    /// Returns 32 bits of the address in host byte order. The word is 0 for IPv4, 0 to 3 for IPv6.
    /// </summary>
    public uint Word(int word) =>
        BinaryPrimitives.ReadUInt32BigEndian(Address.GetAddressBytes().AsSpan(4 * word));

    /// <summary>
    /// Returns the bits of that word that belong to the prefix, as a mask in host byte order.
    /// </summary>
    public uint Mask(int word)
    {
        int bits = Math.Clamp(PrefixLength - (32 * word), 0, 32);
        return bits == 0 ? 0 : uint.MaxValue << (32 - bits);
    }
}
