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
}
