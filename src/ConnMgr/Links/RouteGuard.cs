namespace ConnMgr.Links;

/// <summary>
/// Decides when to switch: once for a new choice, again after a failure, and again when another program has
/// changed the routes while the choice stands. Pure.
/// </summary>
internal sealed class RouteGuard
{
    private static readonly TimeSpan RepairGap = TimeSpan.FromSeconds(1);

    /// <summary>
    /// The shortest gap before a retry: a script that changes routes and then fails must not run in a tight
    /// loop.
    /// </summary>
    private static readonly TimeSpan RetryGap = TimeSpan.FromMilliseconds(200);

    private Link? _tried;
    private TimeSpan _triedAt;
    private bool _isRunning;
    private bool _hasSucceeded; // at least once since this link was chosen
    private bool _hasFailed;
    private bool _mayRetry;

    /// <summary>When <see cref="Next"/> may return something else because of the time alone.</summary>
    public TimeSpan NextDeadline { get; private set; } = TimeSpan.MaxValue;

    /// <summary>
    /// Returns the link to switch to now, or null. The caller starts the switch and reports its end to <see
    /// cref="OnSwitchEnded"/>.
    /// </summary>
    /// <param name="choice">The chosen link.</param>
    /// <param name="isInPlace">The kernel's routes already use it.</param>
    /// <param name="now">The loop's time.</param>
    public Link? Next(Link? choice, bool isInPlace, TimeSpan now)
    {
        NextDeadline = TimeSpan.MaxValue;
        if (choice is null || !choice.State.IsUp() || choice.IsInterrupted
            || (choice == _tried && _isRunning))
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

    /// <summary>
    /// True if the last switch was to this link and succeeded: another switch to it is a repair.
    /// </summary>
    public bool HasSwitchedTo(Link link) => _tried == link && _hasSucceeded && !_isRunning;

    /// <summary>Forgets the last switch, because the link must no longer be used.</summary>
    public void Release() => _tried = _isRunning ? _tried : null;

    /// <summary>
    /// Handles the end of a switch to <paramref name="link"/>; ignored if the choice has changed since.
    /// </summary>
    public void OnSwitchEnded(Link link, bool succeeded)
    {
        if (link == _tried)
        {
            _isRunning = false;
            _hasFailed = !succeeded;
            _hasSucceeded |= succeeded;
            _mayRetry = false; // changes during the switch do not allow a retry
        }
    }

    /// <summary>
    /// Handles a switch that another program has undone in the same moment: the next one may begin at once.
    /// </summary>
    public void OnSwitchUndone(Link link)
    {
        if (link == _tried)
        {
            _isRunning = false;
            _tried = null;
        }
    }

    /// <summary>
    /// Allows a failed switch to be retried: a tick has come, or a route or address of the link has changed.
    /// </summary>
    public void AllowRetry() => _mayRetry = true;
}
