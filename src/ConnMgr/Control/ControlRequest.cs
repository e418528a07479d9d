using System.Buffers.Text;
using System.Text;
using ConnMgr.Net;

namespace ConnMgr.Control;

/// <summary>The requests that a running daemon answers.</summary>
internal enum ControlVerb
{
    Status,
    Audit,
    Events,
    Metrics,
    Reload,
    Use,
}

/// <summary>
/// One request: a line `VERB WORD...`. Without words, the reply is one JSON document, or text for metrics.
/// Pure.
/// </summary>
/// <param name="Verb">The verb.</param>
/// <param name="IsText">`text`: reply with text of 80 columns.</param>
/// <param name="IsColored">`color`: use the colours of a terminal.</param>
/// <param name="Follows">`follow` (events only): one line for each event, without end.</param>
/// <param name="WithExitStatus">`exit`: start with a line that has the exit status of the verb.</param>
internal readonly record struct ControlRequest(
    ControlVerb Verb, bool IsText, bool IsColored, bool Follows, bool WithExitStatus)
{
    private const int MostSeconds = 366 * 86400;

    /// <summary>
    /// `link=NAME`: the link that `status` describes, or that `use` prefers; null for none.
    /// </summary>
    public string? Link { get; init; }

    /// <summary>`whitelist` (audit only): lines for the whitelist.</summary>
    public bool ListsWhitelist { get; init; }

    /// <summary>`openmetrics` (metrics only): in the form of OpenMetrics.</summary>
    public bool IsOpenMetrics { get; init; }

    /// <summary>`last=N`: the number of events; null for all.</summary>
    public int? Last { get; init; }

    /// <summary>
    /// `seconds=N`: events of this time before now (null for all), or how long `use` prefers the link (null
    /// until it is told otherwise).
    /// </summary>
    public int? Seconds { get; init; }

    /// <summary>Parses a line without its line feed.</summary>
    public static bool TryParse(ReadOnlySpan<byte> line, out ControlRequest request)
    {
        request = default;
        bool isFirst = true;
        foreach (Range range in line.Split((byte)' '))
        {
            ReadOnlySpan<byte> word = line[range];
            if (isFirst)
            {
                isFirst = false;
                if (!TryVerb(word, out ControlVerb verb))
                {
                    return false;
                }
                request = request with { Verb = verb };
            }
            else if (word.SequenceEqual("text"u8))
            {
                request = request with { IsText = true };
            }
            else if (word.SequenceEqual("color"u8))
            {
                request = request with { IsColored = true };
            }
            else if (word.SequenceEqual("exit"u8))
            {
                request = request with { WithExitStatus = true };
            }
            else if (word.SequenceEqual("follow"u8) && request.Verb == ControlVerb.Events)
            {
                request = request with { Follows = true };
            }
            else if (word.SequenceEqual("whitelist"u8) && request.Verb == ControlVerb.Audit)
            {
                request = request with { ListsWhitelist = true };
            }
            else if (word.SequenceEqual("openmetrics"u8) && request.Verb == ControlVerb.Metrics)
            {
                request = request with { IsOpenMetrics = true };
            }
            else if (!TrySetting(word, ref request))
            {
                return false;
            }
        }
        return request.Verb != ControlVerb.Use || request.Link is not null || request.Seconds is null;
    }

    private static bool TrySetting(ReadOnlySpan<byte> word, ref ControlRequest request)
    {
        int equals = word.IndexOf((byte)'=');
        if (equals < 0)
        {
            return false;
        }
        ReadOnlySpan<byte> value = word[(equals + 1)..];
        bool isNumber = Utf8Parser.TryParse(value, out int number, out int used) && used == value.Length
            && number is > 0 and <= MostSeconds;
        switch (request.Verb)
        {
            case ControlVerb.Status or ControlVerb.Use when word[..equals].SequenceEqual("link"u8):
                request = request with { Link = Encoding.UTF8.GetString(value) };
                return InterfaceName.IsValid(request.Link);
            case ControlVerb.Events when word[..equals].SequenceEqual("last"u8) && isNumber:
                request = request with { Last = number };
                return true;
            case ControlVerb.Events or ControlVerb.Use
                when word[..equals].SequenceEqual("seconds"u8) && isNumber:
                request = request with { Seconds = number };
                return true;
            default:
                return false;
        }
    }

    private static bool TryVerb(ReadOnlySpan<byte> word, out ControlVerb verb)
    {
        verb = word switch
        {
            _ when word.SequenceEqual("status"u8) => ControlVerb.Status,
            _ when word.SequenceEqual("audit"u8) => ControlVerb.Audit,
            _ when word.SequenceEqual("events"u8) => ControlVerb.Events,
            _ when word.SequenceEqual("metrics"u8) => ControlVerb.Metrics,
            _ when word.SequenceEqual("reload"u8) => ControlVerb.Reload,
            _ when word.SequenceEqual("use"u8) => ControlVerb.Use,
            _ => (ControlVerb)(-1),
        };
        return (int)verb >= 0;
    }
}
