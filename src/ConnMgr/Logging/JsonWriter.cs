namespace ConnMgr.Logging;

/// <summary>
/// Writes JSON (RFC 8259) without spaces. It adds commas and escapes strings; the caller must close each
/// bracket that it opens. Pure.
/// </summary>
internal sealed class JsonWriter(Utf8Text text)
{
    private bool _needsComma;

    public Utf8Text Text => text;

    public JsonWriter Open(char bracket)
    {
        Begin();
        text.Add(bracket);
        _needsComma = false;
        return this;
    }

    public JsonWriter Close(char bracket)
    {
        text.Add(bracket);
        _needsComma = true;
        return this;
    }

    /// <summary>Writes the name of a member; the caller writes its value next.</summary>
    public JsonWriter Name(string name)
    {
        Begin();
        Quote(name);
        text.Add(':');
        _needsComma = false;
        return this;
    }

    public JsonWriter Value(string? value)
    {
        Begin();
        if (value is null)
        {
            text.Add("null"u8);
        }
        else
        {
            Quote(value);
        }
        return this;
    }

    public JsonWriter Value(bool value)
    {
        Begin();
        text.Add(value ? "true"u8 : "false"u8);
        return this;
    }

    public JsonWriter Value(long value)
    {
        Begin();
        text.Add(value);
        return this;
    }

    /// <summary>Writes seconds with six decimals; a negative time becomes 0.</summary>
    public JsonWriter Value(TimeSpan? value)
    {
        Begin();
        if (value is { } time)
        {
            text.AddMicroseconds(time > TimeSpan.Zero ? time : TimeSpan.Zero);
        }
        else
        {
            text.Add("null"u8);
        }
        return this;
    }

    /// <summary>Writes a time in the format of RFC 3339.</summary>
    public JsonWriter Value(DateTime utc)
    {
        Begin();
        text.Add('"').AddTime(utc).Add('"');
        return this;
    }

    private void Begin()
    {
        if (_needsComma)
        {
            text.Add(',');
        }
        _needsComma = true;
    }

    /// <summary>Writes a string. The UTF-8 encoder turns an unpaired surrogate into U+FFFD.</summary>
    private void Quote(ReadOnlySpan<char> value)
    {
        text.Add('"');
        int plain = 0;
        for (int i = 0; i < value.Length; i++)
        {
            if (value[i] is >= ' ' and not ('"' or '\\' or '\u007f'))
            {
                continue;
            }
            text.Add(value[plain..i]);
            plain = i + 1;
            if (value[i] is '"' or '\\')
            {
                text.Add('\\').Add(value[i]);
            }
            else
            {
                const string Hex = "0123456789abcdef";
                text.Add("\\u00"u8).Add(Hex[value[i] >> 4]).Add(Hex[value[i] & 15]);
            }
        }
        text.Add(value[plain..]).Add('"');
    }
}
