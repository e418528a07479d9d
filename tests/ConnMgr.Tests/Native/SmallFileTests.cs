using ConnMgr.Native;

namespace ConnMgr.Tests.Native;

public sealed class SmallFileTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    [Theory]
    [InlineData("", 0)]
    [InlineData("no line feed", 0)]
    [InlineData("one\ntwo\n", 1)]
    [InlineData("one\nthe rest is not a line", 1)]
    public void A_short_text_is_one_part_of_whole_lines(string text, int parts)
    {
        File.WriteAllText(_path, text);
        List<string> read = Parts();
        Assert.Equal(parts, read.Count);
        Assert.Equal(text[..(text.LastIndexOf('\n') + 1)], string.Concat(read));
    }

    [Fact]
    public void A_long_text_comes_in_parts_that_end_with_a_line()
    {
        string text = string.Concat(Enumerable.Range(0, 50_000).Select(i => $"line {i}\n"));
        File.WriteAllText(_path, text);
        List<string> read = Parts();
        Assert.True(read.Count > 10);
        Assert.All(read, part => Assert.EndsWith("\n", part));
        Assert.Equal(text, string.Concat(read));
    }

    [Fact]
    public void A_line_longer_than_a_part_ends_and_the_next_ones_are_whole()
    {
        File.WriteAllText(_path, new string('x', 40_000) + "\nlast\n");
        Assert.EndsWith("\nlast\n", string.Concat(Parts()));
    }

    [Fact]
    public void A_file_that_is_not_there_is_nothing()
    {
        File.Delete(_path);
        Assert.Empty(Parts());
    }

    public void Dispose() => File.Delete(_path);

    private List<string> Parts()
    {
        List<string> parts = [];
        SmallFile.ReadParts(_path, text =>
        {
            if (text.Length > 0)
            {
                parts.Add(text.ToString());
            }
        });
        return parts;
    }
}
