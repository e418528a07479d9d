namespace ConnMgr.Firewall;

/// <summary>
/// What the device may ask at some addresses, whatever the whitelist says. The rules are in firewall_policy.
/// </summary>
internal enum ServiceSet
{
    /// <summary>DNS, for the device and for extenders.</summary>
    NameServers,

    /// <summary>The services that the daemon probes, at their ports, for the device.</summary>
    Probed,
}
