using System.Text;
using System.Text.Json;
using ConnMgr.Logging;
using CsCheck;

namespace ConnMgr.Tests.Logging;

public class JsonWriterTests
{
    [Fact]
    public void Objects_arrays_and_values_are_separated_as_JSON_wants_it()
    {
        Utf8Text text = new(1000);
        new JsonWriter(text).Open('{').Name("a").Value(-5)
            .Name("b").Open('[').Value(true).Value((string?)null).Open('{').Close('}').Close(']')
            .Name("c").Value(TimeSpan.FromMilliseconds(1500.25)).Name("d").Value(default(TimeSpan?))
            .Name("e").Value(new DateTime(2026, 1, 2, 3, 4, 5, 67, DateTimeKind.Utc)).Close('}');
        Assert.Equal(
            """{"a":-5,"b":[true,null,{}],"c":1.500250,"d":null,"e":"2026-01-02T03:04:05.067Z"}""",
            Encoding.UTF8.GetString(text.Bytes));
    }

    [Theory]
    [InlineData(long.MinValue)]
    [InlineData(long.MaxValue)]
    [InlineData(0)]
    [InlineData(-1)]
    public void Numbers_are_written_in_full(long number) =>
        Assert.Equal($"{number}", Encoding.UTF8.GetString(new Utf8Text(100).Add(number).Bytes));

    [Fact]
    public void Whatever_a_string_contains_a_reader_gets_it_back() => Gen.String.Sample(value =>
    {
        Utf8Text text = new(1 << 20);
        new JsonWriter(text).Open('[').Value(value).Close(']');
        // Half a surrogate pair cannot be written in UTF-8.
        string expected = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(value));
        Assert.Equal(expected, JsonDocument.Parse(text.Bytes.ToArray()).RootElement[0].GetString());
    });

    [Fact]
    public void Text_beyond_the_limit_is_left_out_and_so_is_what_follows()
    {
        Utf8Text text = new(5);
        text.Add("1234"u8).Add("56"u8).Add('7');
        Assert.Equal("1234", Encoding.UTF8.GetString(text.Bytes));
        Assert.True(text.IsCut);
        text.Clear();
        Assert.False(text.IsCut);
        Assert.Equal(0, text.Add("€"u8).Add("€").Length - 3);
    }
}
