using ConnMgr.Routing;

namespace ConnMgr.Links;

/// <summary>What the <see cref="ConnectionCore"/> requests or announces.</summary>
internal enum CoreEffectKind
{
    /// <summary>Announces: the state of the link has changed.</summary>
    StateChanged,

    /// <summary>Start a probe of the link.</summary>
    StartProbe,

    /// <summary>Cancel the running probe of the link.</summary>
    CancelProbe,

    /// <summary>A tick begins: rearm the link's evidence socket.</summary>
    Listen,

    /// <summary>Warn the user; the words are the warning.</summary>
    Warned,

    /// <summary>Announces: the core has chosen another link.</summary>
    Chosen,

    /// <summary>
    /// Move the default routes to the link. Report the end as <see cref="NewsKind.SwitchEnded"/>.
    /// </summary>
    Switch,

    /// <summary>
    /// Carry out the plan, which restores and sorts the default routes of the links that are not in use.
    /// </summary>
    Tidy,

    /// <summary>Dump the routes, so that the core can verify the last switch.</summary>
    ReadRoutes,

    /// <summary>Announces: the kernel's routes use the link as the switch intended.</summary>
    Switched,

    /// <summary>
    /// Announces: a switch has failed and will be retried; the words say why. Without words, the link itself
    /// went down.
    /// </summary>
    SwitchFailed,
}

/// <summary>One effect. Carry effects out in the order in which they are listed.</summary>
/// <param name="Kind">What is requested or announced.</param>
/// <param name="Link">The link.</param>
/// <param name="Words">The reason, or the failure, as a phrase.</param>
/// <param name="From">The previous state, for <see cref="CoreEffectKind.StateChanged"/>.</param>
/// <param name="To">The new state.</param>
/// <param name="IsEarly">The probe has a shorter deadline and pings from its start.</param>
/// <param name="Limit">The probe fails if it has heard nothing for this time; null for the usual
/// time.</param>
/// <param name="IsRepair">The switch restores a route that another program changed.</param>
/// <param name="IsInPlace">False if the routes were changed again after a repair.</param>
/// <param name="Took">The time from the decision to the verification of the switch.</param>
/// <param name="IsForOutgoing">The evidence socket also reports outgoing packets.</param>
/// <param name="Left">The link that the switch left, or the previous choice; null if there was none.</param>
/// <param name="Plan">The changes to make over rtnetlink; null if a script switches.</param>
internal readonly record struct CoreEffect(
    CoreEffectKind Kind,
    Link? Link,
    string Words = "",
    LinkState From = default,
    LinkState To = default,
    bool IsEarly = false,
    TimeSpan? Limit = null,
    bool IsRepair = false,
    bool IsInPlace = false,
    TimeSpan Took = default,
    bool IsForOutgoing = false,
    Link? Left = null,
    RoutePlan? Plan = null);
