using ConnMgr.Probe;
using static ConnMgr.Fuzz.BrokenRuleException;

namespace ConnMgr.Fuzz;

/// <summary>Answers of the services that a probe asks.</summary>
internal static class ProbeTargets
{
    private const int LongestDetail = 1000; // characters

    /// <summary>As in the unit tests, so that a ServerHello of theirs is right.</summary>
    private static readonly byte[] Entropy =
        [.. Enumerable.Range(1, Conversation.EntropySize).Select(i => (byte)i)];

    private static readonly ProbeUrl Status204 = Parse("http://a.example/#204");
    private static readonly ProbeUrl Body = Parse("http://a.example/x#=success");
    private static readonly ProbeUrl TlsUrl = Parse("tls://a.example");
    private static readonly ProbeUrl MqttUrl = Parse("mqtt://a.example");
    private static readonly ProbeUrl CoapUrl = Parse("coap://a.example");
    private static readonly ProbeUrl EchoUrl = Parse("echo://a.example");

    public static void Http204(ReadOnlySpan<byte> bytes) => Stream(Status204, bytes);

    public static void HttpBody(ReadOnlySpan<byte> bytes) => Stream(Body, bytes);

    public static void Tls(ReadOnlySpan<byte> bytes)
    {
        Verdict verdict = Stream(TlsUrl, bytes);
        Unless(verdict is Verdict.NotYet or Verdict.Content or Verdict.Protocol or Verdict.Wrong,
            "TLS has four verdicts");
        Unless(verdict != Verdict.Content || bytes.IndexOf(Entropy.AsSpan(32, 32)) >= 0,
            "the correct answer repeats what was sent");
    }

    public static void Mqtt(ReadOnlySpan<byte> bytes)
    {
        Verdict verdict = Stream(MqttUrl, bytes);
        Unless(verdict != Verdict.Protocol || bytes.StartsWith((ReadOnlySpan<byte>)[0x20, 2, 0]),
            "the correct answer is CONNACK");
    }

    public static void Coap(ReadOnlySpan<byte> bytes)
    {
        Verdict verdict = Conversation.With(CoapUrl, Entropy).Read(bytes);
        Unless(verdict == (bytes.SequenceEqual((ReadOnlySpan<byte>)[0x70, 0, 1, 2])
            ? Verdict.Protocol : Verdict.NotYet), "only the reset of this message counts");
    }

    public static void Echo(ReadOnlySpan<byte> bytes)
    {
        IConversation conversation = Conversation.With(EchoUrl, Entropy);
        Verdict verdict = conversation.Read(bytes);
        Unless(verdict == (bytes.IsEmpty ? Verdict.NotYet
            : bytes.SequenceEqual((ReadOnlySpan<byte>)[1]) ? Verdict.Content : Verdict.Wrong),
            "only the byte that was sent counts");
        CheckDetail(conversation);
    }

    /// <summary>Hands a stream over in pieces of several sizes: the verdict is always the same.</summary>
    private static Verdict Stream(ProbeUrl url, ReadOnlySpan<byte> bytes)
    {
        Verdict first = Read(url, bytes, bytes.Length, out bool isContentLater);
        foreach (int size in (ReadOnlySpan<int>)[1, 7])
        {
            Unless(Read(url, bytes, size, out _) == first, "the size of the pieces does not matter");
        }
        Unless(!isContentLater, "the end of a stream makes no answer right");
        return first;
    }

    private static Verdict Read(ProbeUrl url, ReadOnlySpan<byte> bytes, int size, out bool isContentLater)
    {
        IConversation conversation = Conversation.With(url, Entropy);
        Verdict verdict = Verdict.NotYet;
        for (; !bytes.IsEmpty && verdict == Verdict.NotYet; bytes = bytes[Math.Min(size, bytes.Length)..])
        {
            verdict = conversation.Read(bytes[..Math.Min(size, bytes.Length)]);
            CheckDetail(conversation);
        }
        isContentLater =
            verdict == Verdict.NotYet && conversation.Conclude(isClosed: true) == Verdict.Content;
        CheckDetail(conversation);
        return verdict;
    }

    private static void CheckDetail(IConversation conversation)
    {
        string detail = conversation.Detail;
        Unless(detail.Length <= LongestDetail, "a detail is short");
        foreach (char letter in detail)
        {
            Unless(letter is (>= ' ' and <= '~') or '…', "a detail is safe on a terminal");
        }
    }

    private static ProbeUrl Parse(string text) => ProbeUrl.TryParse(text, out ProbeUrl url, out string error)
        ? url
        : throw new InvalidOperationException(error);
}
