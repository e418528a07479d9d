using System.ComponentModel;
using ConnMgr.Native;
using ConnMgr.Netlink;

namespace ConnMgr.Tests.Netlink;

/// <summary>The socket with the real kernel, which refuses something.</summary>
public sealed class NetlinkSocketTests
{
    private const int NoSuchGroup = 1 << 20;

    [Fact]
    public void A_socket_that_the_kernel_refuses_keeps_no_descriptor()
    {
        List<string> before = Netlinks();
        for (int i = 0; i < 300; i++)
        {
            Win32Exception refused = Assert.Throws<Win32Exception>(
                () => new NetlinkSocket(0, checkCredentials: false, NoSuchGroup));
            Assert.Equal(Errno.EINVAL, refused.NativeErrorCode);
        }
        // Tests that run meanwhile may open some.
        Assert.True(Netlinks().Except(before).Count() < 150, "descriptors stay open");
        using NetlinkSocket kept = new(0, checkCredentials: false);
        Assert.NotEmpty(Netlinks().Except(before));
    }

    [Theory]
    [InlineData(Errno.EINTR, true)]
    [InlineData(Errno.ENOMEM, true)]
    [InlineData(Errno.ENFILE, true)]
    [InlineData(Errno.EMFILE, true)]
    [InlineData(Errno.ENOBUFS, true)]
    [InlineData(0, false)]
    [InlineData(Errno.ENOENT, false)]
    [InlineData(Errno.EACCES, false)]
    [InlineData(Errno.EAGAIN, false)]
    [InlineData(Errno.EOPNOTSUPP, false)]
    public void A_shortage_is_no_answer(int errno, bool isShortage)
    {
        Assert.Equal(isShortage, Errno.IsShortage(errno));
        Exception? thrown = Record.Exception(() => Errno.ThrowIfShortage(errno, "call"));
        Assert.Equal(isShortage ? errno : null, (thrown as Win32Exception)?.NativeErrorCode);
    }

    /// <summary>The sockets of this process, by their inode numbers.</summary>
    /// <summary>
    /// Returns this process's netlink sockets of this namespace; other tests open a thousand other sockets.
    /// </summary>
    private static List<string> Netlinks()
    {
        HashSet<string> all =
        [
            .. File.ReadLines("/proc/thread-self/net/netlink")
                .Select(line => $"socket:[{line.TrimEnd().Split(' ')[^1]}]"),
        ];
        return
        [
            .. Directory.GetFiles("/proc/self/fd").Select(path => new FileInfo(path).LinkTarget ?? "")
                .Where(all.Contains),
        ];
    }
}
