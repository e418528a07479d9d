using System.Text;
using System.Text.Json;
using ConnMgr.Net;
using CsCheck;

namespace ConnMgr.Tests.Net;

public class JsonScannerTests
{
    [Theory]
    [InlineData("{}", "{ }")]
    [InlineData("[]", "[ ]")]
    [InlineData(
        " { \"a\" : [ 1 , -2.5e+3, true,false,null, \"x\" ] } ",
        "{ a: [ 1 -2.5e+3 true false null \"x\" ] }")]
    [InlineData("[[],{},[{}]]", "[ [ ] { } [ { } ] ]")]
    [InlineData("[\"\\\"\\\\\\/\\t\"]", "[ \"\"\\/\t\" ]")]
    [InlineData("[\"\\u0041\\u00e9\\uD83D\"]", "[ \"Aé\uFFFD\" ]")]
    [InlineData("[0,10,0.5,-0]", "[ 0 10 0.5 -0 ]")]
    public void Tokens_are_read(string text, string expected)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Assert.Equal(expected, Tokens(bytes, bytes.Length));
        for (int size = 1; size < bytes.Length; size++)
        {
            Assert.Equal(expected, Tokens(bytes, size));
        }
    }

    [Theory]
    [InlineData("{a:1}")]
    [InlineData("{\"a\"}")]
    [InlineData("{\"a\":}")]
    [InlineData("{\"a\":1,}")]
    [InlineData("{,}")]
    [InlineData("[1,]")]
    [InlineData("[,1]")]
    [InlineData("[1 2]")]
    [InlineData("[}")]
    [InlineData("{]")]
    [InlineData("]")]
    [InlineData("[]]")]
    [InlineData("{}{}")]
    [InlineData("{} x")]
    [InlineData("[01]")]
    [InlineData("[-]")]
    [InlineData("[1.]")]
    [InlineData("[.5]")]
    [InlineData("[1e]")]
    [InlineData("[+1]")]
    [InlineData("[truth]")]
    [InlineData("[True]")]
    [InlineData("[\"\\x\"]")]
    [InlineData("[\"\\u12g4\"]")]
    [InlineData("[\"a\nb\"]")]
    [InlineData("['a']")]
    [InlineData("Command failed: Not found\n")]
    public void What_is_no_json_is_refused(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Assert.EndsWith("error", Tokens(bytes, bytes.Length), StringComparison.Ordinal);
        Assert.EndsWith("error", Tokens(bytes, 1), StringComparison.Ordinal);
    }

    [Fact]
    public void Depth_is_limited()
    {
        byte[] deepest = Encoding.ASCII.GetBytes(
            new string('[', JsonScanner.MaxDepth) + new string(']', JsonScanner.MaxDepth));
        Assert.DoesNotContain("error", Tokens(deepest, deepest.Length), StringComparison.Ordinal);
        Assert.EndsWith("error", Tokens([.. "["u8, .. deepest], deepest.Length), StringComparison.Ordinal);
    }

    [Fact]
    public void Of_a_long_string_the_beginning_is_kept()
    {
        JsonScanner scanner = new();
        ReadOnlySpan<byte> bytes = Encoding.ASCII.GetBytes($"[\"{new string('x', 5000)}\",\"y\"]");
        Assert.Equal(JsonToken.BeginArray, scanner.Read(ref bytes));
        Assert.Equal(JsonToken.String, scanner.Read(ref bytes));
        Assert.True(scanner.IsCut);
        Assert.Equal(JsonScanner.MaxText, scanner.Text.Length);
        Assert.Equal(JsonToken.String, scanner.Read(ref bytes));
        Assert.False(scanner.IsCut);
        Assert.Equal("y", Encoding.ASCII.GetString(scanner.Text));
    }

    /// <summary>
    /// Random pieces of JSON in any order. .NET's reader decides whether the text is complete JSON.
    /// </summary>
    [Fact]
    public void It_agrees_with_another_reader()
    {
        Gen<string> piece = Gen.OneOf(
            "{", "}", "[", "]", ",", ":", "\"a\"", "\"\\n\"", "\"\\u0020\"", "1", "-1", "0.5",
            "1e3", "01", "true", "nul",
            "null", " ", "\n", "x", "\"", "\\");
        piece.Array[0, 12].Sample(
            pieces =>
            {
                byte[] bytes = Encoding.UTF8.GetBytes(string.Concat(pieces));
                string tokens = Tokens(bytes, bytes.Length);
                bool isContainer = tokens.Length > 0 && tokens[0] is '{' or '[';
                Assert.Equal(isContainer && IsJson(bytes), !tokens.EndsWith("error", StringComparison.Ordinal)
                    && !tokens.EndsWith("more", StringComparison.Ordinal) && isContainer);
            },
            iter: 20_000);
    }

    private static bool IsJson(byte[] bytes)
    {
        try
        {
            Utf8JsonReader reader = new(bytes);
            while (reader.Read())
            {
            }
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>
    /// Returns all tokens of a text that arrives in pieces of the given size, then `error`, or `more` if the
    /// text is incomplete.
    /// </summary>
    private static string Tokens(byte[] text, int size)
    {
        JsonScanner scanner = new();
        List<string> tokens = [];
        for (int start = 0; start < text.Length; start += Math.Max(1, size))
        {
            ReadOnlySpan<byte> bytes = text.AsSpan(start, Math.Min(Math.Max(1, size), text.Length - start));
            while (scanner.Read(ref bytes) is var token and not JsonToken.None)
            {
                tokens.Add(token switch
                {
                    JsonToken.BeginObject => "{",
                    JsonToken.EndObject => "}",
                    JsonToken.BeginArray => "[",
                    JsonToken.EndArray => "]",
                    JsonToken.Name => Encoding.UTF8.GetString(scanner.Text) + ":",
                    JsonToken.String => $"\"{Encoding.UTF8.GetString(scanner.Text)}\"",
                    JsonToken.Error => "error",
                    _ => Encoding.UTF8.GetString(scanner.Text),
                });
                if (token == JsonToken.Error)
                {
                    return string.Join(' ', tokens);
                }
            }
        }
        if (!scanner.IsComplete)
        {
            tokens.Add("more");
        }
        return string.Join(' ', tokens);
    }
}
