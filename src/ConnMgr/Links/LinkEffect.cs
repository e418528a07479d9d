namespace ConnMgr.Links;

/// <summary>What a <see cref="Link"/> requests.</summary>
internal enum LinkEffectKind
{
    StateChanged,
    StartProbe,
    CancelProbe,
}

/// <summary>One request of a <see cref="Link"/>, with its reason.</summary>
/// <param name="Kind">The kind of request.</param>
/// <param name="Reason">The reason, as a phrase.</param>
/// <param name="From">The previous state, if it changed.</param>
/// <param name="To">The new state.</param>
/// <param name="IsEarly">The probe has a shorter deadline and pings from its start.</param>
/// <param name="Limit">The probe fails if it has heard nothing for this time; null for the usual
/// time.</param>
internal readonly record struct LinkEffect(
    LinkEffectKind Kind, string Reason, LinkState From, LinkState To, bool IsEarly = false,
    TimeSpan? Limit = null);

/// <summary>What a link needs to know about the other links.</summary>
/// <param name="IsInUse">This link is in use.</param>
/// <param name="InUse">The class of the link in use, this one or another.</param>
/// <param name="IsNothingLeft">No link is of class A, B, C or D.</param>
internal readonly record struct Surroundings(bool IsInUse, LinkClass InUse, bool IsNothingLeft);
