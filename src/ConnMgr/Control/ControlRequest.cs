namespace ConnMgr.Control;

/// <summary>The requests that a running daemon answers.</summary>
internal enum ControlVerb
{
    Status,
    Events,
    Metrics,
    Reload,
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
            else
            {
                return false;
            }
        }
        return true;
    }

    private static bool TryVerb(ReadOnlySpan<byte> word, out ControlVerb verb)
    {
        verb = word switch
        {
            _ when word.SequenceEqual("status"u8) => ControlVerb.Status,
            _ when word.SequenceEqual("events"u8) => ControlVerb.Events,
            _ when word.SequenceEqual("metrics"u8) => ControlVerb.Metrics,
            _ when word.SequenceEqual("reload"u8) => ControlVerb.Reload,
            _ => (ControlVerb)(-1),
        };
        return (int)verb >= 0;
    }
}
