using System.Text;

namespace ConnMgr.Net;

/// <summary>The result of <see cref="JsonScanner.Read"/>.</summary>
internal enum JsonToken
{
    /// <summary>All bytes are used; more are needed.</summary>
    None,

    /// <summary>The text is not JSON, or it is nested too deeply. No further token can be read.</summary>
    Error,
    BeginObject,
    EndObject,
    BeginArray,
    EndArray,

    /// <summary>The name of an object's member; its value follows.</summary>
    Name,
    String,
    Number,
    True,
    False,
    Null,
}

/// <summary>
/// Splits JSON (RFC 8259) into tokens while it arrives in pieces of any size. Its memory is a fixed buffer:
/// of a longer string it keeps only the start. It never throws. It checks neither that strings are UTF-8 nor
/// that surrogates are paired.
/// </summary>
internal sealed class JsonScanner
{
    /// <summary>The largest number of nested containers.</summary>
    public const int MaxDepth = 32;

    /// <summary>The largest number of bytes kept of a string or a number.</summary>
    public const int MaxText = 256;

    private enum Expects
    {
        Value,
        ValueOrEnd, // after [
        NameOrEnd, // after {
        Name,
        Colon,
        CommaOrEnd,
        Nothing,
    }

    private enum Within
    {
        Nothing,
        String,
        Escape,
        Unicode,
        Word, // a number, true, false or null
    }

    private readonly byte[] _text = new byte[MaxText];
    private int _length;
    private ulong _objects; // by depth: a bit is set if the container is an object
    private Expects _expects = Expects.Value;
    private Within _within = Within.Nothing;
    private bool _isName;
    private int _hexDigits;
    private int _hexValue;
    private bool _hasFailed;

    /// <summary>The number of open containers.</summary>
    public int Depth { get; private set; }

    /// <summary>True once a whole value has been read.</summary>
    public bool IsComplete => !_hasFailed && _expects == Expects.Nothing;

    /// <summary>The text of the last name, string or number.</summary>
    public ReadOnlySpan<byte> Text => _text.AsSpan(0, _length);

    /// <summary>True if the last string was longer than <see cref="MaxText"/>.</summary>
    public bool IsCut { get; private set; }

    /// <summary>True if the open container at this depth, 1 to <see cref="Depth"/>, is an object.</summary>
    public bool IsObject(int depth) => (_objects >> depth & 1) != 0;

    /// <summary>Reads the next token; advances <paramref name="bytes"/> past it.</summary>
    public JsonToken Read(ref ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty && !_hasFailed)
        {
            byte next = bytes[0];
            if (_within == Within.Word && !IsWordByte(next))
            {
                return EndWord(); // the byte is not part of the word
            }
            bytes = bytes[1..];
            JsonToken token = _within switch
            {
                Within.String => InString(next),
                Within.Escape => InEscape(next),
                Within.Unicode => InUnicode(next),
                Within.Word => InWord(next),
                _ => Between(next),
            };
            if (token != JsonToken.None)
            {
                return token;
            }
        }
        return _hasFailed ? JsonToken.Error : JsonToken.None;
    }

    private JsonToken Between(byte next)
    {
        switch (next)
        {
            case (byte)' ' or (byte)'\t' or (byte)'\n' or (byte)'\r':
                return JsonToken.None;
            case (byte)'{' when WantsValue:
                return Begin(isObject: true);
            case (byte)'[' when WantsValue:
                return Begin(isObject: false);
            case (byte)'}' when IsObject(Depth) && _expects is Expects.NameOrEnd or Expects.CommaOrEnd:
                return End(isObject: true);
            case (byte)']' when Depth > 0 && !IsObject(Depth)
                && _expects is Expects.ValueOrEnd or Expects.CommaOrEnd:
                return End(isObject: false);
            case (byte)':' when _expects == Expects.Colon:
                _expects = Expects.Value;
                return JsonToken.None;
            case (byte)',' when _expects == Expects.CommaOrEnd:
                _expects = IsObject(Depth) ? Expects.Name : Expects.Value;
                return JsonToken.None;
            case (byte)'"' when WantsValue || _expects is Expects.Name or Expects.NameOrEnd:
                _isName = !WantsValue;
                BeginText(Within.String);
                return JsonToken.None;
            default:
                if (!WantsValue || !IsWordByte(next))
                {
                    return Fail();
                }
                BeginText(Within.Word);
                return InWord(next);
        }
    }

    private bool WantsValue => _expects is Expects.Value or Expects.ValueOrEnd;

    private JsonToken Begin(bool isObject)
    {
        if (Depth == MaxDepth)
        {
            return Fail();
        }
        Depth++;
        ulong bit = 1UL << Depth;
        _objects = isObject ? _objects | bit : _objects & ~bit;
        _expects = isObject ? Expects.NameOrEnd : Expects.ValueOrEnd;
        return isObject ? JsonToken.BeginObject : JsonToken.BeginArray;
    }

    private JsonToken End(bool isObject)
    {
        _objects &= ~(1UL << Depth);
        Depth--;
        EndValue();
        return isObject ? JsonToken.EndObject : JsonToken.EndArray;
    }

    private void EndValue() => _expects = Depth == 0 ? Expects.Nothing : Expects.CommaOrEnd;

    private JsonToken Fail()
    {
        _hasFailed = true;
        return JsonToken.Error;
    }

    private void BeginText(Within within)
    {
        _within = within;
        _length = 0;
        IsCut = false;
    }

    private void Append(byte value)
    {
        if (_length < MaxText)
        {
            _text[_length++] = value;
        }
        else
        {
            IsCut = true;
        }
    }

    private JsonToken InString(byte next)
    {
        switch (next)
        {
            case (byte)'"':
                _within = Within.Nothing;
                if (_isName)
                {
                    _expects = Expects.Colon;
                    return JsonToken.Name;
                }
                EndValue();
                return JsonToken.String;
            case (byte)'\\':
                _within = Within.Escape;
                return JsonToken.None;
            case < 0x20:
                return Fail();
            default:
                Append(next);
                return JsonToken.None;
        }
    }

    private JsonToken InEscape(byte next)
    {
        _within = Within.String;
        switch (next)
        {
            case (byte)'"' or (byte)'\\' or (byte)'/':
                Append(next);
                break;
            case (byte)'b':
                Append(0x08);
                break;
            case (byte)'f':
                Append(0x0C);
                break;
            case (byte)'n':
                Append(0x0A);
                break;
            case (byte)'r':
                Append(0x0D);
                break;
            case (byte)'t':
                Append(0x09);
                break;
            case (byte)'u':
                _within = Within.Unicode;
                _hexDigits = _hexValue = 0;
                break;
            default:
                return Fail();
        }
        return JsonToken.None;
    }

    private JsonToken InUnicode(byte next)
    {
        if (!char.IsAsciiHexDigit((char)next))
        {
            return Fail();
        }
        _hexValue = _hexValue << 4 | (next <= '9' ? next - '0' : (next | 0x20) - 'a' + 10);
        if (++_hexDigits < 4)
        {
            return JsonToken.None;
        }
        _within = Within.String;
        Span<byte> utf8 = stackalloc byte[4];
        // Each half of a surrogate pair is decoded separately, and is not a character.
        Rune rune = Rune.IsValid(_hexValue) ? new Rune(_hexValue) : Rune.ReplacementChar;
        foreach (byte value in utf8[..rune.EncodeToUtf8(utf8)])
        {
            Append(value);
        }
        return JsonToken.None;
    }

    private static bool IsWordByte(byte value) =>
        char.IsAsciiLetterOrDigit((char)value) || value is (byte)'-' or (byte)'+' or (byte)'.';

    private JsonToken InWord(byte next)
    {
        Append(next);
        return IsCut ? Fail() : JsonToken.None;
    }

    private JsonToken EndWord()
    {
        _within = Within.Nothing;
        JsonToken token =
            Text.SequenceEqual("true"u8) ? JsonToken.True
            : Text.SequenceEqual("false"u8) ? JsonToken.False
            : Text.SequenceEqual("null"u8) ? JsonToken.Null
            : IsNumber(Text) ? JsonToken.Number
            : Fail();
        EndValue();
        return token;
    }

    /// <summary>True for a number by RFC 8259, section 6.</summary>
    private static bool IsNumber(ReadOnlySpan<byte> word)
    {
        if (word is [(byte)'-', ..])
        {
            word = word[1..];
        }
        int whole = Digits(word);
        if (whole == 0 || (whole > 1 && word[0] == '0'))
        {
            return false;
        }
        word = word[whole..];
        if (word is [(byte)'.', ..])
        {
            int fraction = Digits(word[1..]);
            if (fraction == 0)
            {
                return false;
            }
            word = word[(1 + fraction)..];
        }
        if (word is [(byte)'e' or (byte)'E', ..])
        {
            word = word[1..];
            word = word is [(byte)'+' or (byte)'-', ..] ? word[1..] : word;
            int exponent = Digits(word);
            return exponent > 0 && exponent == word.Length;
        }
        return word.IsEmpty;
    }

    private static int Digits(ReadOnlySpan<byte> word)
    {
        int end = word.IndexOfAnyExceptInRange((byte)'0', (byte)'9');
        return end < 0 ? word.Length : end;
    }
}
