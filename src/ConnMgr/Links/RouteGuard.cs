namespace ConnMgr.Links;

/// <summary>
/// Decides when switch_route.sh is to be run: once for a new choice, again when it failed, and again when somebody
/// else has changed the routes while the choice stands. Pure.
/// </summary>
internal sealed class RouteGuard
{
    private static readonly TimeSpan RepairGap = TimeSpan.FromSeconds(1);

    /// <summary>A script that fails, and changes routes while it does, is not to be run in a circle.</summary>
    private static readonly TimeSpan RetryGap = TimeSpan.FromMilliseconds(200);

    private Link? _tried;
    private TimeSpan _triedAt;
    private bool _isRunning;
    private bool _hasSucceeded; // at least once since it was chosen
    private bool _hasFailed;
    private bool _mayRetry;

    /// <summary>When <see cref="Next"/> may come to another end by time alone.</summary>
    public TimeSpan NextDeadline { get; private set; } = TimeSpan.MaxValue;

    /// <summary>
    /// The link to switch to now, or null. The caller starts the switch, and says so by <see cref="End"/> when it has ended.
    /// </summary>
    /// <param name="choice">The link that is to be used.</param>
    /// <param name="isInPlace">The kernel's routes lead over it already.</param>
    /// <param name="now">The time.</param>
    public Link? Next(Link? choice, bool isInPlace, TimeSpan now)
    {
        NextDeadline = TimeSpan.MaxValue;
        if (choice is null || !choice.State.IsUp() || choice.IsInterrupted || (choice == _tried && _isRunning))
        {
            return null;
        }
        if (choice == _tried)
        {
            if (isInPlace)
            {
                _hasFailed = false;
                return null;
            }
            if (_hasFailed && !_mayRetry)
            {
                return null;
            }
            TimeSpan gap = _hasSucceeded ? RepairGap : RetryGap;
            if (now < _triedAt + gap)
            {
                NextDeadline = _triedAt + gap;
                return null;
            }
        }
        else if (isInPlace && !_isRunning)
        {
            _tried = choice;
            _triedAt = now;
            _hasSucceeded = true;
            return null;
        }

        _hasSucceeded &= choice == _tried;
        _tried = choice;
        _triedAt = now;
        _isRunning = true;
        _mayRetry = false;
        _hasFailed = false;
        return choice;
    }

    /// <summary>True if this link was the last to be switched to, and that went well: to do it again is a repair.</summary>
    public bool HasSwitchedTo(Link link) => _tried == link && _hasSucceeded && !_isRunning;

    /// <summary>Takes the end of a switch to <paramref name="link"/>; one that was overtaken by a newer choice is forgotten.</summary>
    public void End(Link link, bool succeeded)
    {
        if (link == _tried)
        {
            _isRunning = false;
            _hasFailed = !succeeded;
            _hasSucceeded |= succeeded;
            _mayRetry = false; // what happened meanwhile was no news
        }
    }

    /// <summary>A tick, or a route or address of the link has changed: a failed switch may be tried again.</summary>
    public void AllowRetry() => _mayRetry = true;
}
