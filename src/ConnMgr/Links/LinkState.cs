namespace ConnMgr.Links;

/// <summary>
/// The state of a link, with the values that other daemons use. <see cref="Link"/> documents the transitions.
/// </summary>
internal enum LinkState
{
    /// <summary>ITFDOWN_SU: initial; no device, administratively down, or no carrier.</summary>
    Down = 0,

    /// <summary>ITFDOWN_SX: the device runs, but lacks an address or a default route.</summary>
    NoWayOut = 1,

    /// <summary>ITFNOTSUPP_SX: this link is not monitored.</summary>
    Unmonitored = 2,

    /// <summary>ITFUP_SU: up, cloud not yet confirmed.</summary>
    Unconfirmed = 3,

    /// <summary>ITFUP_SF: up, cloud not reachable.</summary>
    Failed = 4,

    /// <summary>ITFUP_SS: up, cloud confirmed.</summary>
    Confirmed = 5,
}

/// <summary>Names of the states.</summary>
internal static class LinkStates
{
    /// <summary>Returns the documented name, e.g. `ITFUP_SS`.</summary>
    public static string Name(this LinkState state) => state switch
    {
        LinkState.Down => "ITFDOWN_SU",
        LinkState.NoWayOut => "ITFDOWN_SX",
        LinkState.Unmonitored => "ITFNOTSUPP_SX",
        LinkState.Unconfirmed => "ITFUP_SU",
        LinkState.Failed => "ITFUP_SF",
        _ => "ITFUP_SS",
    };

    /// <summary>
    /// True for the three states of a link that runs and has an address and a default route.
    /// </summary>
    public static bool IsUp(this LinkState state) => state >= LinkState.Unconfirmed;
}
