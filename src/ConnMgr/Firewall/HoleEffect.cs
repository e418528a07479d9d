using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>A kind of change to the kernel's elements.</summary>
internal enum HoleAction
{
    /// <summary>Add the element, or give it a new time-out.</summary>
    Open,

    /// <summary>Delete the element if it exists. No connection uses it.</summary>
    Close,

    /// <summary>Delete the element, and end the connections that are no longer allowed.</summary>
    Revoke,
}

/// <summary>One change to the kernel's elements. The order of a list matters.</summary>
/// <param name="Action">The kind.</param>
/// <param name="Prefix">An address, or a prefix of the whitelist.</param>
/// <param name="Timeout">Seconds; 0: none, the element stays until it is deleted. Only for <see cref="HoleAction.Open"/>.</param>
internal readonly record struct HoleEffect(HoleAction Action, IpPrefix Prefix, int Timeout);

/// <summary>The result of learning an address.</summary>
internal enum HoleOutcome
{
    /// <summary>The name is not whitelisted: nothing was done.</summary>
    NotWanted,

    /// <summary>No name may open the address (behaviour, section 10, rule 4).</summary>
    BadAddress,

    /// <summary>No room, and no hole can be replaced.</summary>
    Full,

    /// <summary>The address is a literal entry, open anyway; the name is remembered.</summary>
    Literal,

    /// <summary>The address was open; it stays open for longer.</summary>
    Renewed,

    /// <summary>The address was not open before.</summary>
    Added,
}
