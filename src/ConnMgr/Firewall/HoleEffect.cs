using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>A kind of change to the kernel's elements.</summary>
internal enum HoleAction
{
    /// <summary>Add the element, or set a new time-out for it.</summary>
    Open,

    /// <summary>Delete the element if it exists. No connection uses it.</summary>
    Close,

    /// <summary>Delete the element, and end the connections that are no longer allowed.</summary>
    Revoke,
}

/// <summary>One change to the kernel's elements. Apply a list in its order.</summary>
/// <param name="Action">The kind.</param>
/// <param name="Prefix">An address, or a prefix of the whitelist.</param>
/// <param name="Timeout">In seconds; 0 for an element that stays until it is deleted. Only for <see
/// cref="HoleAction.Open"/>.</param>
internal readonly record struct HoleEffect(HoleAction Action, IpPrefix Prefix, int Timeout);

/// <summary>The result of learning an address.</summary>
internal enum HoleOutcome
{
    /// <summary>The name is not whitelisted; nothing was changed.</summary>
    NotWanted,

    /// <summary>No name may open the address (contract, section 10, rule 4).</summary>
    BadAddress,

    /// <summary>The table is full, and no hole can be replaced.</summary>
    Full,

    /// <summary>The address is a literal entry and open anyway; the name is stored.</summary>
    Literal,

    /// <summary>The address was open, and stays open for longer.</summary>
    Renewed,

    /// <summary>The address was not open before.</summary>
    Added,
}
