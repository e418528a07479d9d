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
    /// Containers that run a name server. On a link, their questions look like the device's own, but the
    /// replies are forwarded to them. Another program decides who may ask them, so count only answers from
    /// servers that the device itself uses.
    /// </summary>
    Container,
}
