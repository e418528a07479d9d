using ConnMgr.Scripts;

namespace ConnMgr.Tests.Scripts;

public class HookRunnerTests
{
    [Theory]
    [InlineData("10-first", true)]
    [InlineData("led_switch.sh", true)]
    [InlineData("A", true)]
    [InlineData("", false)]
    [InlineData(".", false)]
    [InlineData("..", false)]
    [InlineData(".sh", false)]
    [InlineData("x.sh.sh", false)]
    [InlineData(".x.swp", false)]
    [InlineData(".x.sh", false)]
    [InlineData(".#x.sh", false)]
    [InlineData("x~", false)]
    [InlineData("x.sh~", false)]
    [InlineData("x.opkg-new", false)]
    [InlineData("x.sh.opkg-dist", false)]
    [InlineData("x.dpkg-old", false)]
    [InlineData("x.sh.dpkg-dist", false)]
    [InlineData("x.bak", false)]
    [InlineData("x y", false)]
    [InlineData("x;y", false)]
    [InlineData("x\n", false)]
    [InlineData("ä", false)]
    public void Names_as_run_parts_has_them(string name, bool isHook) =>
        Assert.Equal(isHook, HookRunner.IsHookName(name));
}
