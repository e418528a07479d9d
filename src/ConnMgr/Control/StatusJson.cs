namespace ConnMgr.Control;

/// <summary>The status as JSON, by scripts/status.schema.json. Pure.</summary>
internal static class StatusJson
{
    /// <summary>Goes up when a member goes or changes its meaning; not when one is added.</summary>
    public const int Version = 1;

    public static void Write(Status status, JsonWriter json)
    {
        json.Open('{').Name("schema").Value(Version).Name("version").Value(status.Version)
            .Name("time").Value(status.Time).Name("uptime_seconds").Value(status.Uptime)
            .Name("memory_bytes").Value(status.MemoryBytes)
            .Name("confirmed").Value(status.IsAnyConfirmed);

        json.Name("in_use").Value(status.InUse)
            .Name("in_use_seconds").Value(status.InUse is null ? null : status.InUseFor)
            .Name("choice").Value(status.Choice).Name("reason").Value(status.Reason)
            .Name("reason_age_seconds").Value(status.Choice is null ? null : status.ReasonAge)
            .Name("switch").Value(NameOf(status.Switch)).Name("switch_failure").Value(status.SwitchFailure)
            .Name("last_switch_seconds").Value(status.LastSwitchTook)
            .Name("switches").Open('{').Name("succeeded").Value(status.Switches.Succeeded)
            .Name("failed").Value(status.Switches.Failed).Name("repairs").Value(status.Switches.Repairs).Close('}');

        json.Name("links").Open('[');
        foreach (LinkStatus link in status.Links)
        {
            Write(link, json);
        }
        json.Close(']');

        json.Name("attrd");
        if (status.Attrd is null)
        {
            json.Value((string?)null);
        }
        else
        {
            json.Open('{').Name("connected").Value(status.IsAttrdConnected).Name("words").Value(status.Attrd).Close('}');
        }
        json.Close('}');
    }

    private static void Write(LinkStatus link, JsonWriter json)
    {
        json.Open('{').Name("name").Value(link.Name).Name("kind").Value(link.Kind)
            .Name("state").Value(link.State).Name("state_value").Value(link.StateValue)
            .Name("words").Value(link.Words).Name("state_seconds").Value(link.StateFor)
            .Name("up_seconds").Value(link.UpFor)
            .Name("in_use").Value(link.IsInUse).Name("metered").Value(link.IsMetered);
        Write("ipv4", link.Ipv4, json);
        Write("ipv6", link.Ipv6, json);

        json.Name("evidence");
        if (link.Evidence is null)
        {
            json.Value((string?)null);
        }
        else
        {
            json.Open('{').Name("packet").Value(link.Evidence).Name("age_seconds").Value(link.EvidenceAge).Close('}');
        }
        json.Name("probe");
        if (link.Probe is null)
        {
            json.Value((string?)null);
        }
        else
        {
            json.Open('{').Name("result").Value(link.Probe).Name("words").Value(link.ProbeWords)
                .Name("age_seconds").Value(link.ProbeAge).Name("round_trip_seconds").Value(link.RoundTrip).Close('}');
        }
        json.Name("probing").Value(link.IsProbing)
            .Name("failures").Value(link.Failures).Name("failure_age_seconds").Value(link.FailureAge)
            .Name("hold_seconds").Value(link.HoldLeft)
            .Name("bytes_received").Value((long)link.BytesReceived).Name("bytes_sent").Value((long)link.BytesSent)
            .Close('}');
    }

    private static void Write(string family, AddressStatus address, JsonWriter json) =>
        json.Name(family).Open('{').Name("address").Value(address.Address).Name("gateway").Value(address.Gateway).Close('}');

    private static string NameOf(SwitchState state) => state switch
    {
        SwitchState.UnderWay => "under way",
        SwitchState.Failed => "failed",
        _ => "none",
    };
}
