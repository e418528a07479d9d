namespace ConnMgr.Net;

/// <summary>The links that the daemon chooses from, the best first.</summary>
internal enum LinkKind
{
    Ethernet = 0,
    WiFi = 1,

    /// <summary>LTE: metered, its bytes cost money.</summary>
    Wan = 2,
}
