using ConnMgr.Native;

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
}
