namespace ConnMgr.Attributes;

/// <summary>
/// All attributes that connmgr owns. To add one, add it to attrd's database and add an entry here. Store its
/// value in <see cref="Gateway"/> unless it is there already.
/// </summary>
internal sealed class AttributeTable
{
    private readonly Dictionary<uint, Attribute> _byId = [];

    public AttributeTable(Gateway gateway, IEnumerable<Attribute>? others = null)
    {
        NetworkInterface wifi = gateway.WiFi;
        NetworkInterface wan = gateway.Wan;
        NetworkInterface ethernet = gateway.Ethernet;
        Attribute[] own =
        [
            // The states of the links come before the link in use: listeners receive simultaneous changes in
            // this order.
            Attribute.Int8(65024, "Wi-Fi interface state", () => wifi.State, isNotify: true),
            Attribute.Int8(65037, "WAN interface state", () => wan.State, isNotify: true),
            Attribute.Int8(65059, "Ethernet interface state", () => ethernet.State, isNotify: true),
            Attribute.Int8(65008, "network type", () => gateway.NetworkType, isNotify: true),
            Attribute.Int8(
                65022, "network capabilities", () => gateway.Capabilities, isNotify: true,
                wanted: gateway.CapabilitiesWanted),

            Attribute.Bytes(65025, "Wi-Fi IPv4 address", () => wifi.Address),
            Attribute.UInt32(65026, "Wi-Fi up time", () => wifi.UpTime()),
            Attribute.UInt32(65027, "Wi-Fi bytes received", () => wifi.Counters().Received),
            Attribute.UInt32(65028, "Wi-Fi bytes sent", () => wifi.Counters().Sent),
            Attribute.Bytes(65029, "Wi-Fi MAC address", () => wifi.MacAddress),

            Attribute.Bytes(65038, "WAN IPv4 address", () => wan.Address),
            Attribute.UInt32(65039, "WAN up time", () => wan.UpTime()),
            Attribute.UInt32(65040, "WAN bytes received", () => wan.Counters().Received),
            Attribute.UInt32(65041, "WAN bytes sent", () => wan.Counters().Sent),

            Attribute.Bytes(65060, "Ethernet IPv4 address", () => ethernet.Address),
            Attribute.UInt32(65061, "Ethernet up time", () => ethernet.UpTime()),
            Attribute.UInt32(65062, "Ethernet bytes received", () => ethernet.Counters().Received),
            Attribute.UInt32(65063, "Ethernet bytes sent", () => ethernet.Counters().Sent),
            Attribute.Bytes(65064, "Ethernet MAC address", () => ethernet.MacAddress),

            Attribute.Int8(
                51616, "debug level", () => gateway.DebugLevel,
                set: level =>
                {
                    gateway.DebugLevel = Math.Max((sbyte)0, level);
                    gateway.DebugLevelSet(gateway.DebugLevel);
                    return true;
                }),
            Attribute.Text(51620, "revision", () => gateway.Revision),
        ];
        foreach (Attribute attribute in own.Concat(others ?? []))
        {
            _byId.Add(attribute.Id, attribute);
        }
        Notifying = [.. _byId.Values.Where(attribute => attribute.IsNotify)];
    }

    /// <summary>
    /// The attributes whose changes are sent, in the order in which simultaneous changes are sent.
    /// </summary>
    public List<Attribute> Notifying { get; }

    /// <summary>Returns the attribute with this number; null if connmgr does not own it.</summary>
    public Attribute? Find(uint id) => _byId.GetValueOrDefault(id);
}
