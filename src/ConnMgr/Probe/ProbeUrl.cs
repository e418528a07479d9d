using System.Globalization;
using System.Net;
using System.Text;
using ConnMgr.Net;

namespace ConnMgr.Probe;

/// <summary>A service that a probe asks, and its correct answer: the URL of `--probe`.</summary>
/// <param name="Scheme">The protocol.</param>
/// <param name="Host">A host name in lower case without a final dot, or an IP address without
/// brackets.</param>
/// <param name="Port">TCP or UDP port, 1 to 65535.</param>
/// <param name="Path">HTTP only: path and query, starting with `/`, printable ASCII without spaces.</param>
/// <param name="Text">HTTP only: the start of the body of the correct answer; null if the correct answer is
/// status 204.</param>
internal sealed record ProbeUrl(
    ProbeScheme Scheme, string Host, int Port, string Path = "", string? Text = null)
{
    /// <summary>The longest path, in characters: a request must fit into one segment.</summary>
    public const int MaxPathLength = 512;

    /// <summary>The longest text that a body may be required to begin with, in bytes of UTF-8.</summary>
    public const int MaxTextSize = 256;

    private const int OldEchoPort = 80;
    private const string Schemes = "echo, http, tls, mqtt, coap or tcp";

    /// <summary>The host as an address, if it needs no resolution; else null.</summary>
    public IPAddress? Address => LiteralAddress.TryParse(Host, out IPAddress address) ? address : null;

    /// <summary>Returns the URL in its canonical form, without the default port.</summary>
    public override string ToString()
    {
        string authority = HostPort.Format(Host, Port);
        if (Port == Scheme.DefaultPort())
        {
            authority = authority[..authority.LastIndexOf(':')];
        }
        string answer = Scheme != ProbeScheme.Http ? ""
            : Text is null ? "#204"
            : "#=" + Text.Replace("%", "%25", StringComparison.Ordinal);
        return $"{Scheme.Name()}://{authority}{Path}{answer}";
    }

    /// <summary>Parses the URL of `--probe`.</summary>
    /// <param name="text">The user's text.</param>
    /// <param name="url">The service; null if there is an error.</param>
    /// <param name="error">A sentence that says what to write instead; empty if there is no error. It does
    /// not repeat the text, which may contain anything.</param>
    public static bool TryParse(string text, out ProbeUrl url, out string error)
    {
        url = null!;
        int mark = text.IndexOf("://", StringComparison.Ordinal);
        if (mark < 0)
        {
            error = $"write SCHEME://HOST, with SCHEME one of {Schemes}";
            return false;
        }
        ReadOnlySpan<char> name = text.AsSpan(0, mark);
        if (ProbeSchemes.Parse(name) is not { } scheme)
        {
            error = name.Equals("https", StringComparison.OrdinalIgnoreCase)
                ? "write tls://HOST[:PORT] for an HTTPS server"
                : name.Equals("mqtts", StringComparison.OrdinalIgnoreCase)
                ? "write tls://HOST:8883 for an MQTT server with TLS"
                : $"write one of {Schemes} in front of ://";
            return false;
        }

        ReadOnlySpan<char> rest = text.AsSpan(mark + 3);
        int end = rest.IndexOfAny('/', '#', '?');
        ReadOnlySpan<char> authority = end < 0 ? rest : rest[..end];
        ReadOnlySpan<char> tail = end < 0 ? default : rest[end..];
        if (!HostPort.TryParse(
            authority, scheme.DefaultPort(), needsBrackets: true, out string host, out int port, out error))
        {
            return false;
        }
        if (scheme == ProbeScheme.Http)
        {
            return TryParseHttp(host, port, tail, out url, out error);
        }
        if (!tail.IsEmpty)
        {
            error = $"write nothing behind {scheme.Name()}://HOST:PORT: only http has a path and an answer";
            return false;
        }
        url = new ProbeUrl(scheme, host, port);
        return true;
    }

    /// <summary>
    /// Parses HOST[:PORT] of `--echo`, the syntax before there were URLs. Its default port is 80, and an IPv6
    /// address without a port needs no brackets.
    /// </summary>
    /// <inheritdoc cref="TryParse"/>
    public static bool TryParseEcho(string text, out ProbeUrl url, out string error)
    {
        bool isRead = HostPort.TryParse(
            text, OldEchoPort, needsBrackets: false, out string host, out int port, out error);
        url = isRead ? new ProbeUrl(ProbeScheme.Echo, host, port) : null!;
        return isRead;
    }

    private static bool TryParseHttp(
        string host, int port, ReadOnlySpan<char> tail, out ProbeUrl url, out string error)
    {
        url = null!;
        int hash = tail.IndexOf('#');
        ReadOnlySpan<char> path = hash < 0 ? tail : tail[..hash];
        ReadOnlySpan<char> answer = hash < 0 ? default : tail[(hash + 1)..];
        if (!path.IsEmpty && path[0] != '/')
        {
            error = "write the path, which starts with /, in front of the query";
            return false;
        }
        if (path.Length > MaxPathLength || path.ContainsAnyExceptInRange('!', '~'))
        {
            error = $"write a path of at most {MaxPathLength} characters, others than printable ASCII as %XX";
            return false;
        }
        string? text = null;
        if (answer is not "204")
        {
            if (!answer.StartsWith('=') || answer.Length == 1)
            {
                error = "write the correct answer at the end: #204 for that status, "
                    + "or #=TEXT for a body that begins with TEXT";
                return false;
            }
            text = Decode(answer[1..]);
            if (Encoding.UTF8.GetByteCount(text) > MaxTextSize
                || text.AsSpan().ContainsAnyInRange('\0', '\x1f'))
            {
                error = $"write at most {MaxTextSize} bytes behind #=, without control characters";
                return false;
            }
        }
        url = new ProbeUrl(ProbeScheme.Http, host, port, path.IsEmpty ? "/" : path.ToString(), text);
        error = "";
        return true;
    }

    /// <summary>
    /// Decodes `%XX`, the ASCII character of that number, for configuration files that split a line at
    /// spaces. Any other `%` stands for itself.
    /// </summary>
    private static string Decode(ReadOnlySpan<char> text)
    {
        StringBuilder decoded = new(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '%' && i + 2 < text.Length && byte.TryParse(
                text.Slice(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture,
                out byte value) && value < 0x80)
            {
                decoded.Append((char)value);
                i += 2;
            }
            else
            {
                decoded.Append(text[i]);
            }
        }
        return decoded.ToString();
    }
}
