namespace ConnMgr.Attributes;

/// <summary>
/// The values of the attributes that describe the gateway. <see cref="AttributeReport"/> fills them in.
/// </summary>
internal sealed class Gateway
{
    /// <summary>The link in use: -1 none, 0 Ethernet, 1 WLAN, 2 WAN.</summary>
    public sbyte NetworkType { get; set; } = -1;

    /// <summary>
    /// The exit status of net_capabilities: bit 0 Wi-Fi, bit 1 WAN, bit 2 Ethernet. Null until the script has
    /// answered once: 0 would mean that the device has no network at all.
    /// </summary>
    public sbyte? Capabilities { get; set; }

    /// <summary>Called when a client asks for <see cref="Capabilities"/> and they are null.</summary>
    public Action CapabilitiesWanted { get; init; } = () => { };

    public NetworkInterface Ethernet { get; } = new();

    public NetworkInterface WiFi { get; } = new();

    public NetworkInterface Wan { get; } = new();

    /// <summary>0: no debug lines in the log, as without -v. Above 0: debug lines.</summary>
    public sbyte DebugLevel { get; set; }

    /// <summary>Called when attrd sets <see cref="DebugLevel"/>, with the new level.</summary>
    public Action<sbyte> DebugLevelSet { get; init; } = _ => { };

    /// <summary>The version of connmgr, with the commit of the build.</summary>
    public string Revision { get; init; } = "";
}

/// <summary>The values of the attributes that describe one interface.</summary>
internal sealed class NetworkInterface
{
    /// <summary>0 not available, 1 up without the cloud, 2 up with the cloud.</summary>
    public sbyte State { get; set; }

    /// <summary>The IPv4 address, 4 bytes in network byte order; all zero if there is none.</summary>
    public byte[] Address { get; set; } = new byte[4];

    /// <summary>The MAC address, 6 bytes; all zero if there is none.</summary>
    public byte[] MacAddress { get; set; } = new byte[6];

    /// <summary>Seconds since the link came up; 0 if it is down.</summary>
    public Func<ulong> UpTime { get; set; } = () => 0;

    /// <summary>Bytes received and sent, from the kernel's 64-bit counters.</summary>
    public Func<(ulong Received, ulong Sent)> Counters { get; set; } = () => (0, 0);
}
