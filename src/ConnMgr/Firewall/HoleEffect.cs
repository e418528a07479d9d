using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>What is to be done in the kernel.</summary>
internal enum HoleAction
{
    /// <summary>Put the address or prefix into the set, or give the element a new time-out.</summary>
    Open,

    /// <summary>Take it out of the set, if it is still there. Nothing uses it.</summary>
    Close,

    /// <summary>Take it out of the set, and end the connections to what is then not allowed any more.</summary>
    Revoke,
}

/// <summary>Something to be done in the kernel, in the order of the list.</summary>
/// <param name="Action">What.</param>
/// <param name="Prefix">An address, or a prefix of the whitelist.</param>
/// <param name="Timeout">In seconds; 0: none, it stays until it is taken out. Only of <see cref="HoleAction.Open"/>.</param>
internal readonly record struct HoleEffect(HoleAction Action, IpPrefix Prefix, int Timeout);

/// <summary>What came of an address that was learned.</summary>
internal enum HoleOutcome
{
    /// <summary>No entry wants the name: nothing was done.</summary>
    NotWanted,

    /// <summary>No name may open the address (behaviour, section 10, rule 4).</summary>
    BadAddress,

    /// <summary>There is no room, and nothing that could make room for it.</summary>
    Full,

    /// <summary>The address itself is an entry of the whitelist, and open anyway; the name is remembered.</summary>
    Literal,

    /// <summary>The address is open already; it stays so for longer now.</summary>
    Renewed,

    /// <summary>The address is new.</summary>
    Added,
}
