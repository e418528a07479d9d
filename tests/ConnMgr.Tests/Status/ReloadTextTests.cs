using System.Text;
using System.Text.Json;
using ConnMgr.Control;
using ConnMgr.Logging;
using ConnMgr.Status;

namespace ConnMgr.Tests.Status;

public class ReloadTextTests
{
    [Fact]
    public void Few_lines_and_the_result() => Assert.Equal("a\nb\ndone\n", Text(["a", "b"], isText: true));

    [Fact]
    public void Nothing_but_the_result() =>
        Assert.Equal("{\"schema\":1,\"done\":true,\"said\":[\"done\"]}\n", Text([], isText: false));

    [Fact]
    public void As_many_as_are_shown() => Assert.Equal(
        $"{string.Join('\n', Enumerable.Range(1, 100))}\ndone\n",
        Text(Enumerable.Range(1, 100).Select(n => $"{n}"), isText: true));

    [Fact]
    public void One_more_is_counted() => Assert.Equal(
        $"{string.Join('\n', Enumerable.Range(1, 100))}\nand 1 more\ndone\n",
        Text(Enumerable.Range(1, 101).Select(n => $"{n}"), isText: true));

    /// <summary>Each character becomes as long as possible in JSON or UTF-8.</summary>
    [Theory]
    [InlineData('\u0001')]
    [InlineData('\u2026')]
    [InlineData('"')]
    public void Whatever_the_lines_are_it_fits_into_a_reply_with_the_result_at_its_end(char worst)
    {
        string line = new(worst, 100_000);
        using JsonDocument json = JsonDocument.Parse(
            Text(Enumerable.Repeat(line, 5000), isText: false, result: line));
        JsonElement said = json.RootElement.GetProperty("said");
        int listed = said.GetArrayLength() - 2;
        Assert.InRange(listed, 50, 100);
        Assert.Equal($"and {5000 - listed} more", said[listed].GetString());
        Assert.StartsWith(new string(worst, 200), said[listed + 1].GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_first_20_are_events()
    {
        ReloadText said = new();
        Assert.All(Enumerable.Range(1, 300), n => Assert.Equal(n <= 20, said.Add($"{n}")));
        Assert.Equal(300, said.Count);
    }

    private static string Text(IEnumerable<string> lines, bool isText, string result = "done")
    {
        ReloadText said = new();
        foreach (string line in lines)
        {
            said.Add(line);
        }
        Utf8Text text = new(ControlSocket.MaxReply);
        said.Write(isDone: true, result, isText, text);
        Assert.False(text.IsCut);
        return Encoding.UTF8.GetString(text.Bytes);
    }
}
