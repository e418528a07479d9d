using ConnMgr.Links;
using ConnMgr.Net;

namespace ConnMgr.Status;

/// <summary>
/// Counts what the metrics report and no other part needs: how long and with how many bytes each link was
/// in use, which link followed which, and how long probes took. Pure, except that it reads the kernel's
/// counters through its argument.
/// </summary>
/// <param name="readCounters">Returns the text of /proc/net/dev.</param>
internal sealed class UsageTally(Func<string> readCounters)
{
    /// <summary>
    /// The upper bounds of the probe durations, in milliseconds; a last bucket has no bound.
    /// </summary>
    public static readonly int[] Bounds = [10, 25, 50, 100, 250, 500, 1000, 2500, 5000];

    private readonly Dictionary<string, LinkUsage> _links = [];
    private readonly List<LinkChange> _changes = [];
    private string _inUse = "";
    private string _device = ""; // the kernel's name of the link in use
    private TimeSpan _since;
    private ulong _bytesAtStart;

    /// <summary>When the link in use last changed, in the loop's time; null before the first one.</summary>
    public TimeSpan? ChangedAt { get; private set; }

    /// <summary>How often the link in use changed, for each pair of old and new link.</summary>
    public IReadOnlyList<LinkChange> Changes => _changes;

    /// <summary>Records what has changed since the last call. Call it after each batch of events.</summary>
    /// <param name="view">The links, and which of them is in use.</param>
    /// <param name="device">The kernel's name of that link's device. The link's own name may be an
    /// alternative name of it.</param>
    /// <param name="now">The loop's time.</param>
    public void Observe(ConnectionView view, string? device, TimeSpan now)
    {
        for (int i = 0; i < view.Links.Count; i++)
        {
            LinkView link = view.Links[i];
            LinkUsage usage = Of(link.Name);
            if (link.ProbeEndedAt != usage.ProbeEndedAt && link.LastProbe is { } probe)
            {
                usage.Take(link.ProbeEndedAt, link.ProbeTook, probe.Outcome);
            }
        }
        string inUse = view.InUse?.Name ?? "";
        if (inUse == _inUse)
        {
            _device = device ?? _device; // follow a renamed device: it keeps its counters
            return;
        }
        string counters = readCounters();
        if (_inUse.Length > 0)
        {
            AddUse(Of(_inUse), counters, now);
        }
        Count(_inUse, inUse);
        ChangedAt = now;
        _inUse = inUse;
        _since = now;
        _device = device ?? inUse;
        _bytesAtStart = BytesOf(_device, counters);
    }

    /// <summary>Returns the figures of a link as of now.</summary>
    public LinkUsage Of(string link, string counters, TimeSpan now)
    {
        LinkUsage usage = Of(link);
        if (link == _inUse)
        {
            AddUse(usage, counters, now);
            _since = now;
            _bytesAtStart = BytesOf(_device, counters);
        }
        return usage;
    }

    private LinkUsage Of(string link)
    {
        if (!_links.TryGetValue(link, out LinkUsage? usage))
        {
            usage = new LinkUsage();
            _links.Add(link, usage);
        }
        return usage;
    }

    private void AddUse(LinkUsage usage, string counters, TimeSpan now)
    {
        usage.InUse += now - _since;
        ulong bytes = BytesOf(_device, counters);
        // A device that was plugged in again counts from zero.
        usage.BytesInUse += bytes >= _bytesAtStart ? bytes - _bytesAtStart : bytes;
    }

    private static ulong BytesOf(string link, string counters)
    {
        (ulong received, ulong sent) = InterfaceCounters.Find(counters, link);
        return received + sent;
    }

    private void Count(string from, string to)
    {
        foreach (LinkChange change in _changes)
        {
            if (change.From == from && change.To == to)
            {
                change.Count++;
                return;
            }
        }
        _changes.Add(new LinkChange(from, to) { Count = 1 });
    }
}

/// <summary>
/// Counts how often one link replaced another as the link in use. An empty name stands for no link.
/// </summary>
internal sealed class LinkChange(string from, string to)
{
    public string From { get; } = from;

    public string To { get; } = to;

    public int Count { get; set; }
}

/// <summary>The figures of one link since the start.</summary>
internal sealed class LinkUsage
{
    /// <summary>How long the link was in use.</summary>
    public TimeSpan InUse { get; set; }

    /// <summary>
    /// The bytes that the link received and sent while it was in use, by the kernel's counters.
    /// </summary>
    public ulong BytesInUse { get; set; }

    /// <summary>When its last probe ended, in the loop's time.</summary>
    public TimeSpan ProbeEndedAt { get; private set; }

    /// <summary>When its last correct answer came, in the loop's time; null if none has.</summary>
    public TimeSpan? ProvedAt { get; private set; }

    /// <summary>
    /// The number of probes by duration. Each element counts the probes up to its bound in
    /// <see cref="UsageTally.Bounds"/> and above the previous one; the last element counts all slower probes.
    /// </summary>
    public int[] Durations { get; } = new int[UsageTally.Bounds.Length + 1];

    /// <summary>The sum of the durations.</summary>
    public TimeSpan DurationSum { get; private set; }

    /// <summary>Counts a probe that has ended.</summary>
    public void Take(TimeSpan endedAt, TimeSpan took, Probe.ProbeOutcome outcome)
    {
        ProbeEndedAt = endedAt;
        ProvedAt = outcome == Probe.ProbeOutcome.ServiceAnswered ? endedAt : ProvedAt;
        DurationSum += took;
        int bucket = 0;
        while (bucket < UsageTally.Bounds.Length && took.TotalMilliseconds > UsageTally.Bounds[bucket])
        {
            bucket++;
        }
        Durations[bucket]++;
    }
}
