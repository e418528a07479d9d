namespace ConnMgr.Links;

/// <summary>What a <see cref="Link"/> wants done.</summary>
internal enum LinkEffectKind
{
    StateChanged,
    StartProbe,
    CancelProbe,
}

/// <summary>One thing that a <see cref="Link"/> wants done, and why.</summary>
/// <param name="Kind">What.</param>
/// <param name="Reason">Why, in words.</param>
/// <param name="From">The state before, if it changed.</param>
/// <param name="To">The state after.</param>
/// <param name="IsEarly">The probe is an early one: it is to end sooner, and to ping from the start.</param>
internal readonly record struct LinkEffect(
    LinkEffectKind Kind, string Reason, LinkState From, LinkState To, bool IsEarly = false);

/// <summary>What a link needs to know of the others.</summary>
/// <param name="IsInUse">This link is in use.</param>
/// <param name="InUse">The class of the link in use, this or another.</param>
/// <param name="IsNothingLeft">No link is of class A, B or C.</param>
internal readonly record struct Surroundings(bool IsInUse, LinkClass InUse, bool IsNothingLeft);
