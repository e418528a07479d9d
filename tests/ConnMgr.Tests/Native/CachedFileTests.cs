using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.Tests.Native;

public sealed class CachedFileTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("connmgr-test-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void A_file_is_read_again_only_when_it_has_changed()
    {
        string path = Path.Combine(_directory, "resolv.conf");
        CachedFile file = new(path, 100);
        Assert.Equal(("", 0), (file.Text, file.Version));
        File.WriteAllText(path, "nameserver 198.18.1.1\n");
        Assert.Equal("nameserver 198.18.1.1\n", file.Text);
        for (int i = 0; i < 100; i++)
        {
            _ = file.Text;
        }
        Assert.Equal(1, file.Version);

        File.WriteAllText($"{path}.new", "nameserver 198.18.1.2\n"); // the same size
        File.Move($"{path}.new", path, overwrite: true);
        Assert.Equal(("nameserver 198.18.1.2\n", 2), (file.Text, file.Version));
        File.Delete(path);
        Assert.Equal(("", 3), (file.Text, file.Version));
    }

    [Fact]
    public void What_a_link_leads_to_counts()
    {
        string path = Path.Combine(_directory, "resolv.conf");
        File.WriteAllText($"{path}.a", "a");
        File.WriteAllText($"{path}.b", "b");
        File.CreateSymbolicLink(path, $"{path}.a");
        CachedFile file = new(path, 100);
        Assert.Equal("a", file.Text);
        File.Delete(path);
        File.CreateSymbolicLink(path, $"{path}.b");
        Assert.Equal("b", file.Text);
    }

    [Fact]
    public void Where_others_may_write_only_a_file_of_roots_counts()
    {
        Assert.SkipUnless(LibC.geteuid() == 0, "needs root: changes an owner");
        string path = Path.Combine(_directory, "resolv.conf.auto");
        CachedFile file = new(path, 100, onlyRoots: true);
        File.WriteAllText(path, "nameserver 198.18.1.1\n");
        Assert.Equal("nameserver 198.18.1.1\n", file.Text);
        Chown(path);
        Assert.Equal("", file.Text);
        File.Delete(path);
        File.WriteAllText($"{path}.root", "nameserver 198.18.1.2\n");
        File.CreateSymbolicLink(path, $"{path}.root");
        Assert.Equal("", file.Text);
        File.Delete(path);
        Directory.CreateDirectory(path);
        Assert.Equal("", file.Text);
    }

    private static unsafe void Chown(string path)
    {
        using NativeStrings name = new([path]);
        Assert.Equal(0, LibC.chown(name.Pointer[0], 65534, 65534));
    }
}
