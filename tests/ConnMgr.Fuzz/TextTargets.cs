using System.Text;
using System.Text.Json;
using ConnMgr.Control;
using ConnMgr.Net;
using ConnMgr.Probe;
using ConnMgr.Resolver;
using static ConnMgr.Fuzz.BrokenRuleException;

namespace ConnMgr.Fuzz;

/// <summary>Requests to the daemon, and what programs and scripts say.</summary>
internal static class TextTargets
{
    private const int MostSeconds = 366 * 86400;

    /// <summary>A line to the control socket.</summary>
    public static void Request(ReadOnlySpan<byte> line)
    {
        if (!ControlRequest.TryParse(line, out ControlRequest request))
        {
            return;
        }
        Unless(request.Link is null || InterfaceName.IsValid(request.Link), "a link has a name");
        Unless(request.Last is null or (> 0 and <= MostSeconds), "a number of events is in bounds");
        Unless(request.Seconds is null or (> 0 and <= MostSeconds), "a time is in bounds");
        Unless(!request.Follows || request.Verb == ControlVerb.Events, "only events can be followed");
        Unless(!request.ListsWhitelist || request.Verb == ControlVerb.Audit,
            "only an audit lists a whitelist");
        Unless(!request.IsOpenMetrics || request.Verb == ControlVerb.Metrics, "only metrics have a form");
        string written = request.Verb switch
        {
            ControlVerb.Status => "status",
            ControlVerb.Audit => "audit",
            ControlVerb.Events => "events",
            ControlVerb.Metrics => "metrics",
            ControlVerb.Reload => "reload",
            _ => "use",
        }
            + (request.IsText ? " text" : "") + (request.IsColored ? " color" : "")
            + (request.WithExitStatus ? " exit" : "") + (request.Follows ? " follow" : "")
            + (request.ListsWhitelist ? " whitelist" : "") + (request.IsOpenMetrics ? " openmetrics" : "")
            + (request.Link is null ? "" : $" link={request.Link}")
            + (request.Last is null ? "" : $" last={request.Last}")
            + (request.Seconds is null ? "" : $" seconds={request.Seconds}");
        byte[] again = Encoding.UTF8.GetBytes(written);
        Unless(ControlRequest.TryParse(again, out ControlRequest same) && same == request,
            "a request is the same when it is written and read again");
    }

    /// <summary>The output of `ubus call network.interface dump`.</summary>
    public static void Networks(ReadOnlySpan<byte> bytes)
    {
        List<NetifdNetwork>? networks = NetworksIn(bytes, bytes.Length);
        List<NetifdNetwork>? same = NetworksIn(bytes, 1);
        Unless(networks is null == same is null, "the size of the pieces does not matter");
        if (networks is null || same is null)
        {
            return;
        }
        Unless(networks.Count <= 64 && networks.Count == same.Count, "the networks are bounded");
        for (int i = 0; i < networks.Count; i++)
        {
            Unless(networks[i].IsSameAs(same[i]), "the size of the pieces does not matter");
            Unless(InterfaceName.IsValid(networks[i].Device), "a network has a device");
            Unless(networks[i].Name.Length is > 0 and <= JsonScanner.MaxText, "a network has a name");
            Unless(networks[i].NameServers.Count <= 16, "the servers are bounded");
        }
    }

    private static List<NetifdNetwork>? NetworksIn(ReadOnlySpan<byte> bytes, int size)
    {
        NetifdNetworks networks = new();
        for (; !bytes.IsEmpty; bytes = bytes[Math.Min(size, bytes.Length)..])
        {
            networks.Take(bytes[..Math.Min(size, bytes.Length)]);
        }
        return networks.Finish();
    }

    /// <summary>JSON: .NET's reader says what is a whole text.</summary>
    public static void Json(ReadOnlySpan<byte> bytes)
    {
        StringBuilder tokens = new();
        bool isWhole = Scan(bytes, bytes.Length, tokens);
        StringBuilder same = new();
        Unless(Scan(bytes, 1, same) == isWhole && tokens.Equals(same),
            "the size of the pieces does not matter");
        if (tokens.Length == 0 || tokens[0] is not ('{' or '[') || !Utf8IsValid(bytes))
        {
            return;
        }
        Utf8JsonReader reader = new(bytes, new JsonReaderOptions { MaxDepth = JsonScanner.MaxDepth });
        bool isRead = true;
        try
        {
            while (reader.Read())
            {
            }
        }
        catch (JsonException)
        {
            isRead = false;
        }
        Unless(isRead == isWhole, "both readers agree on what is JSON");
    }

    private static bool Scan(ReadOnlySpan<byte> bytes, int size, StringBuilder tokens)
    {
        JsonScanner scanner = new();
        for (; !bytes.IsEmpty; bytes = bytes[Math.Min(size, bytes.Length)..])
        {
            ReadOnlySpan<byte> piece = bytes[..Math.Min(size, bytes.Length)];
            while (scanner.Read(ref piece) is var token and not JsonToken.None)
            {
                if (token == JsonToken.Error)
                {
                    tokens.Append('!');
                    return false;
                }
                Unless(scanner.Depth is >= 0 and <= JsonScanner.MaxDepth, "the depth is bounded");
                Unless(scanner.Text.Length <= JsonScanner.MaxText, "a text is bounded");
                tokens.Append(token switch
                {
                    JsonToken.BeginObject => "{",
                    JsonToken.BeginArray => "[",
                    JsonToken.EndObject => "}",
                    JsonToken.EndArray => "]",
                    _ => $"{token}:{Encoding.Latin1.GetString(scanner.Text)} ",
                });
            }
        }
        return scanner.IsComplete;
    }

    private static bool Utf8IsValid(ReadOnlySpan<byte> bytes) => System.Text.Unicode.Utf8.IsValid(bytes);

    /// <summary>The output of resolv_conf.sh.</summary>
    public static void Report(ReadOnlySpan<byte> bytes)
    {
        ResolverReport report = ResolverReport.Read(Encoding.UTF8.GetString(bytes));
        Unless(report.Links.Count <= 30, "the links are bounded");
        foreach (LinkServers link in report.Links)
        {
            Unless(InterfaceName.IsValid(link.Device) && link.Servers.Count <= NameServers.Most,
                "the servers of a link are bounded");
        }
        Unless(report.Asked.Count <= NameServers.Most, "the servers that are asked are bounded");
        Unless(report.Did.Length <= bytes.Length, "what was done is in the output");
    }

    /// <summary>The URL of `--probe`, and the older `--echo`.</summary>
    public static void Url(ReadOnlySpan<byte> bytes)
    {
        string text = Encoding.UTF8.GetString(bytes);
        bool isRead = ProbeUrl.TryParse(text, out ProbeUrl url, out string error);
        Unless(isRead == (error.Length == 0) && isRead == url is not null, "a refusal has a reason");
        if (isRead)
        {
            Unless(ProbeUrl.TryParse(url!.ToString(), out ProbeUrl same, out _) && same == url,
                "a URL is the same when it is written and read again");
            byte[] request = new byte[IConversation.MaxRequestSize];
            int length = Conversation.With(url, new byte[Conversation.EntropySize]).WriteRequest(request);
            Unless(length <= request.Length, "a request fits");
        }
        if (ProbeUrl.TryParseEcho(text, out ProbeUrl echo, out _))
        {
            Unless(echo.Port is >= 1 and <= 65535, "a port is in bounds");
        }
    }
}
