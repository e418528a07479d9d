namespace ConnMgr.Probe;

/// <summary>The protocol that a probe speaks, named by the scheme of its URL.</summary>
internal enum ProbeScheme
{
    /// <summary>RFC 862 over TCP.</summary>
    Echo,

    /// <summary>HTTP/1.1, RFC 9112.</summary>
    Http,

    /// <summary>TLS 1.3, RFC 8446: the first message of each side.</summary>
    Tls,

    /// <summary>MQTT 3.1.1: CONNECT and CONNACK.</summary>
    Mqtt,

    /// <summary>CoAP over UDP, RFC 7252: the ping of section 4.3.</summary>
    Coap,

    /// <summary>TCP, RFC 9293: the handshake alone.</summary>
    Tcp,
}

/// <summary>What a correct answer proves. A higher value proves more.</summary>
internal enum ProbeStrength
{
    /// <summary>
    /// A peer accepts TCP connections. A portal may do that too, so it counts no more than a ping.
    /// </summary>
    Connection,

    /// <summary>A peer speaks the protocol. Only a portal made for this protocol can do that.</summary>
    Protocol,

    /// <summary>The answer has content that only the service, or a relay of it, can know.</summary>
    Content,
}

/// <summary>The properties of each scheme.</summary>
internal static class ProbeSchemes
{
    /// <summary>The name as the user writes it before `://`.</summary>
    public static string Name(this ProbeScheme scheme) => scheme switch
    {
        ProbeScheme.Echo => "echo",
        ProbeScheme.Http => "http",
        ProbeScheme.Tls => "tls",
        ProbeScheme.Mqtt => "mqtt",
        ProbeScheme.Coap => "coap",
        _ => "tcp",
    };

    /// <summary>Parses a scheme name, ignoring case; null if there is no such scheme.</summary>
    public static ProbeScheme? Parse(ReadOnlySpan<char> name)
    {
        for (ProbeScheme scheme = ProbeScheme.Echo; scheme <= ProbeScheme.Tcp; scheme++)
        {
            if (name.Equals(scheme.Name(), StringComparison.OrdinalIgnoreCase))
            {
                return scheme;
            }
        }
        return null;
    }

    /// <summary>The port of a URL without one; 0 if the user must write one.</summary>
    public static int DefaultPort(this ProbeScheme scheme) => scheme switch
    {
        ProbeScheme.Echo => 7,
        ProbeScheme.Http => 80,
        ProbeScheme.Tls => 443,
        ProbeScheme.Mqtt => 1883,
        ProbeScheme.Coap => 5683,
        _ => 0,
    };

    /// <summary>The most that an answer can prove.</summary>
    public static ProbeStrength Strength(this ProbeScheme scheme) => scheme switch
    {
        ProbeScheme.Echo or ProbeScheme.Http or ProbeScheme.Tls => ProbeStrength.Content,
        ProbeScheme.Mqtt or ProbeScheme.Coap => ProbeStrength.Protocol,
        _ => ProbeStrength.Connection,
    };

    /// <summary>
    /// The approximate cost of one correct answer in bytes of IP, both directions, without resolving its
    /// name: measured over IPv4 with the servers that docs/probes.md names. IPv6 costs 20 bytes more per
    /// packet.
    /// </summary>
    public static int Cost(this ProbeScheme scheme) => scheme switch
    {
        ProbeScheme.Echo => 420,
        ProbeScheme.Http => 750,
        ProbeScheme.Tls => 2600,
        ProbeScheme.Mqtt => 450,
        ProbeScheme.Coap => 64,
        _ => 210,
    };

    /// <summary>The name in status and documentation.</summary>
    public static string Name(this ProbeStrength strength) => strength switch
    {
        ProbeStrength.Content => "content",
        ProbeStrength.Protocol => "protocol",
        _ => "connection",
    };
}
