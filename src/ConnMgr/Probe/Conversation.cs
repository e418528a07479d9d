namespace ConnMgr.Probe;

/// <summary>Creates conversations.</summary>
internal static class Conversation
{
    /// <summary>The largest number of random bytes that a conversation needs.</summary>
    public const int EntropySize = TlsConversation.EntropySize;

    /// <summary>Creates the conversation for a service.</summary>
    /// <param name="url">The service.</param>
    /// <param name="entropy">At least <see cref="EntropySize"/> unpredictable bytes, fresh for each
    /// conversation.</param>
    public static IConversation With(ProbeUrl url, ReadOnlySpan<byte> entropy) => url.Scheme switch
    {
        ProbeScheme.Echo => new EchoConversation(entropy[0]),
        ProbeScheme.Http => new HttpConversation(url),
        ProbeScheme.Tls => new TlsConversation(url.Address is null ? url.Host : null, entropy),
        ProbeScheme.Mqtt => new MqttConversation(entropy),
        ProbeScheme.Coap => new CoapConversation(entropy),
        _ => new TcpConversation(),
    };
}
