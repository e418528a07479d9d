using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace ConnMgr.Probe;

/// <summary>
/// HTTP/1.1 (RFC 9112): the correct answer to a GET is status 204, or status 200 and a body that begins with
/// a given text, as with the public check services of NetworkManager, Android and Apple. A redirect or
/// another body comes from a portal.
/// </summary>
/// <remarks>
/// If a server says that it cannot answer now (5xx, 408, 429), the service is to blame, not the link. Status
/// 511 is reserved for portals (RFC 6585, section 6).
/// </remarks>
internal sealed class HttpConversation : IConversation
{
    private const int MaxHeaderSize = 16384; // bytes, all header fields together
    private const int MaxLineSize = 160; // bytes kept of a line; the rest is skipped
    private const int MaxChunkDigits = 7;

    private readonly ProbeUrl _url;
    private readonly byte[] _text;
    private readonly Excerpt _line = new(MaxLineSize);
    private readonly Excerpt _shown = new(MaxLineSize); // the location, or the start of the wrong answer
    private Part _part = Part.StatusLine;
    private Verdict _verdict;
    private Fault _fault;
    private int _headerSize;
    private int _status;
    private bool _isChunked;
    private int _chunkLeft; // bytes of the chunk still to come
    private int _matched; // bytes of the expected text received

    public HttpConversation(ProbeUrl url)
    {
        _url = url;
        _text = Encoding.UTF8.GetBytes(url.Text ?? "");
    }

    /// <summary>The part of the answer that the next byte belongs to.</summary>
    private enum Part
    {
        StatusLine,
        Fields,
        Body,
        ChunkSize,
        ChunkEnd,
    }

    /// <summary>What is wrong with the answer.</summary>
    private enum Fault
    {
        None,
        NotHttp,
        Status,
        Redirect,
        Body,
        ShortBody,
        LongHeader,
    }

    public string Detail => _fault switch
    {
        Fault.None => "",
        Fault.NotHttp => $"does not speak HTTP: {_shown}",
        Fault.Redirect when _shown.Bytes.IsEmpty => $"redirects (a portal?): {StatusWords}",
        Fault.Redirect => $"redirects to {_shown} (a portal?): {StatusWords}",
        Fault.Body => $"answered with another body (a portal?): {_shown}",
        Fault.ShortBody => "answered with a body that ends too early (a portal?)",
        Fault.LongHeader => "answered with a header that does not end",
        _ => $"answered with {StatusWords}",
    };

    private string StatusWords => string.Create(
        CultureInfo.InvariantCulture, $"status {_status} instead of {(_text.Length == 0 ? 204 : 200)}");

    public int WriteRequest(Span<byte> buffer)
    {
        string host = HostPort.Format(_url.Host, _url.Port);
        if (_url.Port == ProbeScheme.Http.DefaultPort())
        {
            host = host[..host.LastIndexOf(':')];
        }
        // Forbid a cache on the path to answer for a service that cannot be reached.
        return Encoding.ASCII.GetBytes(
            $"GET {_url.Path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: connmgr\r\nCache-Control: no-cache\r\n"
            + "Connection: close\r\n\r\n",
            buffer);
    }

    public Verdict Read(ReadOnlySpan<byte> bytes)
    {
        for (int i = 0; i < bytes.Length && _verdict == Verdict.NotYet; i++)
        {
            if (_part == Part.Body)
            {
                ReadBody(bytes[i..]);
            }
            else
            {
                ReadLine(bytes[i..]);
            }
        }
        return _verdict;
    }

    public Verdict Conclude(bool isClosed)
    {
        if (_verdict == Verdict.NotYet && _fault == Fault.Redirect)
        {
            _verdict = Verdict.Wrong; // the location is missing, but the status suffices
        }
        else if (_verdict == Verdict.NotYet && isClosed && _part >= Part.Body)
        {
            End(Fault.ShortBody);
        }
        return _verdict;
    }

    /// <summary>Processes the first byte of <paramref name="rest"/>, which is part of a line.</summary>
    private void ReadLine(ReadOnlySpan<byte> rest)
    {
        if (_part != Part.ChunkEnd && ++_headerSize > MaxHeaderSize)
        {
            End(_fault == Fault.None ? Fault.LongHeader : _fault);
            return;
        }
        if (rest[0] != '\n')
        {
            _line.Add(rest[..1]);
            if (_part == Part.StatusLine && !IsStatusLineSoFar(_line.Bytes))
            {
                _shown.Add(_line.Bytes);
                _shown.Add(rest[1..]);
                End(Fault.NotHttp);
            }
            return;
        }
        ReadOnlySpan<byte> line = _line.Bytes;
        line = line.EndsWith("\r"u8) ? line[..^1] : line;
        switch (_part)
        {
            case Part.StatusLine:
                OnStatusLineEnded(line);
                break;
            case Part.Fields when line.IsEmpty:
                OnFieldsEnded();
                break;
            case Part.Fields:
                OnFieldEnded(line);
                break;
            case Part.ChunkSize:
                OnChunkSizeEnded(line);
                break;
            default:
                _part = Part.ChunkSize;
                break;
        }
        _line.Clear();
    }

    /// <summary>True if the line so far matches `HTTP/1.d ddd`, followed by a space or nothing.</summary>
    private static bool IsStatusLineSoFar(ReadOnlySpan<byte> line)
    {
        ReadOnlySpan<byte> form = "HTTP/1.d ddd "u8;
        for (int i = 0; i < Math.Min(line.Length, form.Length); i++)
        {
            bool isRight = form[i] == 'd' ? line[i] is >= (byte)'0' and <= (byte)'9'
                : line[i] == form[i] || (i == form.Length - 1 && line[i] == '\r');
            if (!isRight)
            {
                return false;
            }
        }
        return true;
    }

    private void OnStatusLineEnded(ReadOnlySpan<byte> line)
    {
        const int BeforeStatus = 9; // `HTTP/1.d `
        if (line.Length < BeforeStatus + 3
            || !Utf8Parser.TryParse(line.Slice(BeforeStatus, 3), out _status, out _))
        {
            _shown.Add(line);
            End(Fault.NotHttp);
            return;
        }
        _part = Part.Fields;
        switch (_status)
        {
            case >= 100 and < 200: // an interim answer: the final one follows
                break;
            case 204 when _text.Length == 0:
                _verdict = Verdict.Content;
                break;
            case 200 when _text.Length > 0:
                break;
            case >= 300 and < 400:
                _fault = Fault.Redirect; // the location follows
                break;
            case 408 or 429 or (>= 500 and not 511):
                _fault = Fault.Status;
                _verdict = Verdict.Failed;
                break;
            default:
                End(Fault.Status);
                break;
        }
    }

    private void OnFieldEnded(ReadOnlySpan<byte> line)
    {
        int colon = line.IndexOf((byte)':');
        if (colon < 0)
        {
            return;
        }
        ReadOnlySpan<byte> name = line[..colon];
        ReadOnlySpan<byte> value = line[(colon + 1)..].Trim(" \t"u8);
        if (_fault == Fault.Redirect && Ascii.EqualsIgnoreCase(name, "location"u8))
        {
            _shown.Add(value);
            End(Fault.Redirect);
        }
        else if (Ascii.EqualsIgnoreCase(name, "transfer-encoding"u8))
        {
            _isChunked = value.Length >= 7 && Ascii.EqualsIgnoreCase(value[^7..], "chunked"u8);
        }
    }

    private void OnFieldsEnded()
    {
        if (_status < 200)
        {
            _part = Part.StatusLine;
            return;
        }
        if (_fault == Fault.Redirect)
        {
            End(Fault.Redirect);
            return;
        }
        _part = _isChunked ? Part.ChunkSize : Part.Body;
    }

    /// <summary>
    /// RFC 9112, section 7.1: hexadecimal digits, optionally followed by `;` and an extension.
    /// </summary>
    private void OnChunkSizeEnded(ReadOnlySpan<byte> line)
    {
        if (!Utf8Parser.TryParse(line, out _chunkLeft, out int digits, 'x')
            || digits > MaxChunkDigits || _chunkLeft < 0)
        {
            _shown.Add(line);
            End(Fault.Body);
            return;
        }
        if (_chunkLeft == 0)
        {
            End(Fault.ShortBody);
            return;
        }
        _part = Part.Body;
    }

    /// <summary>Processes the first byte of <paramref name="rest"/>, which is part of the body.</summary>
    private void ReadBody(ReadOnlySpan<byte> rest)
    {
        if (rest[0] != _text[_matched])
        {
            _shown.Add(_text.AsSpan(0, _matched));
            _shown.Add(rest);
            End(Fault.Body);
            return;
        }
        if (++_matched == _text.Length)
        {
            _verdict = Verdict.Content;
            return;
        }
        if (_isChunked && --_chunkLeft == 0)
        {
            _part = Part.ChunkEnd;
        }
    }

    private void End(Fault fault)
    {
        _fault = fault;
        _verdict = fault == Fault.LongHeader ? Verdict.Failed : Verdict.Wrong;
    }
}
