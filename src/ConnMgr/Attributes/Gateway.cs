namespace ConnMgr.Attributes;

/// <summary>What the attributes tell of the gateway. The daemon keeps it up to date; it does nothing by itself.</summary>
internal sealed class Gateway
{
    /// <summary>-1 none, 0 Ethernet, 1 WLAN, 2 WAN.</summary>
    public sbyte NetworkType { get; set; } = -1;

    /// <summary>Exit status of net_capabilities: bit 0 Wi-Fi, 1 WAN, 2 Ethernet.</summary>
    public sbyte Capabilities { get; set; }

    public NetworkInterface Ethernet { get; } = new();

    public NetworkInterface WiFi { get; } = new();

    public NetworkInterface Wan { get; } = new();

    /// <summary>0 is as started without -v; above it logs more.</summary>
    public sbyte DebugLevel { get; set; }

    /// <summary>Of the build.</summary>
    public string Revision { get; init; } = "";
}

/// <summary>What the attributes tell of one interface.</summary>
internal sealed class NetworkInterface
{
    /// <summary>0 not available, 1 up without cloud, 2 up with cloud.</summary>
    public sbyte State { get; set; }

    /// <summary>IPv4, 4 bytes in network order; zero if there is none.</summary>
    public byte[] Address { get; set; } = new byte[4];

    /// <summary>6 bytes; zero if there is none.</summary>
    public byte[] MacAddress { get; set; } = new byte[6];

    /// <summary>Seconds since the link came up; 0 if it is down.</summary>
    public Func<ulong> UpTime { get; set; } = () => 0;

    /// <summary>Bytes received and sent, of the kernel's 64-bit counters.</summary>
    public Func<(ulong Received, ulong Sent)> Counters { get; set; } = () => (0, 0);
}
