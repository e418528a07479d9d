namespace ConnMgr.Net;

/// <summary>The links that the daemon chooses from, most preferred first.</summary>
internal enum LinkKind
{
    Ethernet = 0,
    WiFi = 1,

    /// <summary>LTE: metered, each byte costs money.</summary>
    Wan = 2,
}
