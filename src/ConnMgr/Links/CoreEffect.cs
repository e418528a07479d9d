using ConnMgr.Routing;

namespace ConnMgr.Links;

/// <summary>What the <see cref="ConnectionCore"/> wants done, or announces.</summary>
internal enum CoreEffectKind
{
    /// <summary>The state of the link has changed.</summary>
    StateChanged,

    /// <summary>Start a probe of the link.</summary>
    StartProbe,

    /// <summary>Cancel the running probe of the link.</summary>
    CancelProbe,

    /// <summary>A tick begins: let the link's evidence socket hear it.</summary>
    Listen,

    /// <summary>Warn the user: the words say of what.</summary>
    Warned,

    /// <summary>Another link has been chosen.</summary>
    Chosen,

    /// <summary>Move the default routes to the link. Report its end as <see cref="NewsKind.SwitchEnded"/>.</summary>
    Switch,

    /// <summary>Carry out the plan: it restores the defaults of links that are not in use, and puts them in order.</summary>
    Tidy,

    /// <summary>Dump the routes: what a switch did is judged by them.</summary>
    ReadRoutes,

    /// <summary>The kernel's routes lead over the link as a switch was to make them.</summary>
    Switched,

    /// <summary>A switch has failed; the words say why, and it is tried again. No words: the link itself has gone down.</summary>
    SwitchFailed,
}

/// <summary>One effect, in the order in which effects have to be carried out.</summary>
/// <param name="Kind">What is wanted, or announced.</param>
/// <param name="Link">The link.</param>
/// <param name="Words">The reason, or the failure, in words.</param>
/// <param name="From">The state before, of <see cref="CoreEffectKind.StateChanged"/>.</param>
/// <param name="To">The state after.</param>
/// <param name="IsEarly">The probe is to end sooner, and to ping from its start.</param>
/// <param name="IsRepair">The switch restores a route that another program has changed.</param>
/// <param name="IsInPlace">False if the routes were changed again after a repair.</param>
/// <param name="Took">From the decision to switch to the proof that it is done.</param>
/// <param name="IsForOutgoing">The evidence socket is to tell of packets that leave, too.</param>
/// <param name="Left">The link that a switch has left; null at the first one.</param>
/// <param name="Plan">What to change over rtnetlink; null: a script does it.</param>
internal readonly record struct CoreEffect(
    CoreEffectKind Kind,
    Link? Link,
    string Words = "",
    LinkState From = default,
    LinkState To = default,
    bool IsEarly = false,
    bool IsRepair = false,
    bool IsInPlace = false,
    TimeSpan Took = default,
    bool IsForOutgoing = false,
    Link? Left = null,
    RoutePlan? Plan = null);
