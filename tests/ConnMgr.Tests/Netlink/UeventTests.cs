using System.Text;
using ConnMgr.Netlink;

namespace ConnMgr.Tests.Netlink;

public class UeventTests
{
    [Fact]
    public void The_kernels_message_about_a_network_device_is_read()
    {
        Assert.True(Uevent.TryParse(
            Bytes("add@/devices/x/net/wwan0|ACTION=add|DEVPATH=/devices/x/net/wwan0|SUBSYSTEM=net|"
                + "INTERFACE=wwan0|IFINDEX=7|SEQNUM=1|"),
            out Uevent uevent));
        Assert.Equal(new Uevent("add", "wwan0"), uevent);
    }

    [Theory]
    [InlineData("")]
    [InlineData("libudev|ACTION=add|SUBSYSTEM=net|INTERFACE=wwan0|")]
    [InlineData("add@/x|ACTION=add|SUBSYSTEM=block|INTERFACE=wwan0|")]
    [InlineData("add@/x|ACTION=add|SUBSYSTEM=net|")]
    [InlineData("add@/x|SUBSYSTEM=net|INTERFACE=wwan0|")]
    public void Others_are_not(string text) => Assert.False(Uevent.TryParse(Bytes(text), out _));

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text.Replace('|', '\0'));
}
