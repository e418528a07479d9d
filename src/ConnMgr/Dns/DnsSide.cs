namespace ConnMgr.Dns;

/// <summary>The origin of questions and replies.</summary>
internal enum DnsSide
{
    /// <summary>
    /// The device itself: its questions leave through a link, and replies are addressed to it.
    /// </summary>
    Device,

    /// <summary>Extenders: questions arrive through the bridge.</summary>
    Bridge,

    /// <summary>
    /// Name servers in containers: on a link their questions look like the device's own, but replies are
    /// forwarded to them. Who may ask is another program's decision, so only servers count that the device
    /// uses itself.
    /// </summary>
    Container,
}
