using ConnMgr.EventLoop;
using Timer = ConnMgr.EventLoop.Timer;

namespace ConnMgr.Firewall;

/// <summary>
/// Opens and closes addresses by fwcfg.sh, one after the other, where the kernel has no address sets. What is wanted of an
/// address last is what is done in the end. No more may wait than its bound; what is to be closed always may.
/// </summary>
internal sealed class AddressRuleRunner : IDisposable
{
    private const int MaxWaiting = 8192;

    /// <summary>A rule is found again by its comment, so it is the same for all.</summary>
    private const string Comment = "connmgr";

    private readonly string _script;
    private readonly Action<IpPrefix, string?> _ended;
    private readonly Action<bool> _changing;
    private readonly ScriptLane _lane;
    private readonly List<Wish> _waiting = [];
    private Wish? _running;

    /// <param name="loop">Where the script's end arrives.</param>
    /// <param name="timer">For its deadline.</param>
    /// <param name="clock">Monotonic time.</param>
    /// <param name="script">The path of fwcfg.sh.</param>
    /// <param name="environment">What it gets.</param>
    /// <param name="changing">Called with true before rules are changed, and with false when there is nothing left to do.</param>
    /// <param name="ended">Gets each address that was opened, and why it was not (null: it was).</param>
    public AddressRuleRunner(
        Loop loop, Timer timer, Func<TimeSpan> clock, string script, IReadOnlyList<string> environment,
        Action<bool> changing, Action<IpPrefix, string?> ended)
    {
        _script = script;
        _ended = ended;
        _changing = changing;
        _lane = new ScriptLane(loop, timer, clock, environment);
    }

    /// <summary>How many wait, or are being done.</summary>
    public int Count => _waiting.Count + (_running is null ? 0 : 1);

    /// <summary>Opens it for the device and for extenders.</summary>
    /// <param name="prefix">An address or prefix.</param>
    /// <param name="isUrgent">Somebody waits for it: before those that nobody waits for.</param>
    /// <returns>False: there is no room now.</returns>
    public bool Add(IpPrefix prefix, bool isUrgent)
    {
        if (_waiting.Count >= MaxWaiting)
        {
            return false;
        }
        Want(new Wish(prefix, IsAdd: true, isUrgent));
        return true;
    }

    public void Delete(IpPrefix prefix) => Want(new Wish(prefix, IsAdd: false, IsUrgent: false));

    /// <summary>It is not open yet.</summary>
    public bool IsAdding(IpPrefix prefix) =>
        _waiting.Exists(wish => wish.IsAdd && wish.Prefix == prefix)
        || (_running is { IsAdd: true } running && running.Prefix == prefix);

    private void Want(Wish wish)
    {
        _waiting.RemoveAll(other => other.Prefix == wish.Prefix);
        int at = _waiting.Count;
        if (wish.IsUrgent)
        {
            at = 0;
            while (at < _waiting.Count && _waiting[at].IsUrgent)
            {
                at++;
            }
        }
        _waiting.Insert(at, wish);
        if (_running is null)
        {
            _changing(true);
            RunNext();
        }
    }

    private void RunNext()
    {
        if (_waiting.Count == 0)
        {
            _changing(false);
            return;
        }
        Wish wish = _waiting[0];
        _waiting.RemoveAt(0);
        _running = wish;
        Run(wish, wish.IsAdd ? "add" : "del", wish.IsAdd ? "add_forwarding" : "del_forwarding");
    }

    private void Run(Wish wish, string verb, string? then) =>
        _lane.Run([_script, verb, wish.Prefix.ToString(), Comment], exit =>
        {
            if (exit.Failure is null && then is not null)
            {
                Run(wish, then, null);
                return;
            }
            string lastLine = exit.Output.TrimEnd().Split('\n')[^1];
            string? failure = exit.Failure is null ? null
                : $"fwcfg.sh {verb} {wish.Prefix}: {exit.Failure}{(lastLine.Length > 0 ? $", saying {Log.Quote(lastLine)}" : "")}";
            _running = null;
            if (wish.IsAdd || failure is not null)
            {
                _ended(wish.Prefix, failure);
            }
            if (_running is null)
            {
                RunNext();
            }
        });

    public void Dispose() => _lane.Dispose();

    private sealed record Wish(IpPrefix Prefix, bool IsAdd, bool IsUrgent);
}
