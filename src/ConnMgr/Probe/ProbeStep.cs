using System.Net;

namespace ConnMgr.Probe;

/// <summary>What the runner of a plan has to do.</summary>
internal enum ProbeStepKind
{
    /// <summary>Ask the name servers for the addresses of a service.</summary>
    Resolve,

    /// <summary>Start a new conversation with a service at one of its addresses.</summary>
    Try,

    /// <summary>Send an ICMP echo request.</summary>
    Ping,

    /// <summary>Close everything: the plan has a result.</summary>
    End,
}

/// <summary>One address of a service.</summary>
/// <param name="Service">The service.</param>
/// <param name="Peer">Its address and port.</param>
internal sealed record ProbeTarget(ProbeUrl Service, IPEndPoint Peer);

/// <summary>One step of a plan.</summary>
/// <param name="Kind">What to do.</param>
/// <param name="Service">With <see cref="ProbeStepKind.Resolve"/>: the service whose name to resolve.</param>
/// <param name="Target">With <see cref="ProbeStepKind.Try"/>: the service and address to ask.</param>
internal readonly record struct ProbeStep(
    ProbeStepKind Kind, ProbeUrl? Service = null, ProbeTarget? Target = null)
{
    /// <summary>The text in tests and in `connmgr probe`.</summary>
    public override string ToString() => Kind switch
    {
        ProbeStepKind.Resolve => $"resolve {Service!.Host}",
        ProbeStepKind.Try => $"try {Target!.Service.Scheme.Name()} {Target.Peer}",
        ProbeStepKind.Ping => "ping",
        _ => "end",
    };
}
