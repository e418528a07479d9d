using ConnMgr.Native;

namespace ConnMgr.Tests.Native;

public class GroupFileTests
{
    private const string Text = "root:x:0:\nadm:x:4:a,b\nbad\nodd:x:many:\nall:x:4294967295:\nops:x:1000:\n";

    [Theory]
    [InlineData("root", 0u)]
    [InlineData("adm", 4u)]
    [InlineData("ops", 1000u)]
    public void A_group_is_found(string name, uint id) => Assert.Equal(id, GroupFile.FindIn(Text, name));

    [Theory]
    [InlineData("")]
    [InlineData("a")]
    [InlineData("bad")]
    [InlineData("odd")]
    [InlineData("all")]
    public void What_is_no_group_is_not(string name) => Assert.Null(GroupFile.FindIn(Text, name));

    [Fact]
    public void A_number_needs_no_file_and_a_missing_group_says_so()
    {
        Assert.Equal(1234u, GroupFile.Find("1234", out string failure));
        Assert.Equal("", failure);
        Assert.Null(GroupFile.Find("no such group", out failure));
        Assert.Equal("/etc/group has no such group", failure);
        Assert.Null(GroupFile.Find(null, out failure));
        Assert.Equal("", failure);
    }
}
