using System.Net;
using System.Text;
using ConnMgr.Dns;
using ConnMgr.EventLoop;
using ConnMgr.Firewall;
using ConnMgr.Logging;
using ConnMgr.Net;

namespace ConnMgr.Tests.Firewall;

/// <summary>
/// A <see cref="HoleStore"/> over a <see cref="FakeBackend"/>, with a loop, a log and a file.
/// </summary>
internal sealed class StoreRig : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("connmgr-test-").FullName;

    public StoreRig(
        string whitelist = "a.example\n*.wild.example\n198.18.9.0/24", FakeBackend? backend = null,
        TimeProvider? time = null)
    {
        Loop = new Loop(time);
        Backend = backend ?? new FakeBackend();
        Store = NewStore(whitelist);
    }

    public Loop Loop { get; }

    public Log Log { get; } = new(LogTarget.Stderr, LogLevel.Error);

    public FakeBackend Backend { get; private set; }

    public HoleStore Store { get; private set; }

    public string File => Path.Combine(_directory, "holes");

    /// <summary>The logged lines, without debug lines.</summary>
    public string[] Said() => LogLines.Of(Log);

    public bool Learn(string name, params string[] addresses) => Store.Learn(
        Name(name), [.. addresses.Select(text =>
            new DnsAddress(IPAddress.Parse(text).GetAddressBytes(), 60))], isUrgent: true);

    /// <summary>A restarted daemon with the same file; the kernel holds these elements.</summary>
    public void Restart(string whitelist, FakeBackend backend)
    {
        Store.Save(Loop.Now);
        Backend = backend;
        Store = NewStore(whitelist);
        Store.Restore();
    }

    public static Whitelist Read(string text) => WhitelistReader.Read(Encoding.ASCII.GetBytes(text), [], []);

    public static IpPrefix Prefix(string text)
    {
        string[] parts = text.Split('/');
        IpNumber first = IpNumber.Of(IPAddress.Parse(parts[0]));
        return parts.Length == 1 ? IpPrefix.Of(first) : new IpPrefix(first, byte.Parse(parts[1], null));
    }

    public static DnsName Name(string text) => DnsName.TryParse(text, out DnsName name) ? name : default;

    private HoleStore NewStore(string whitelist) =>
        new(Loop, Log, new Holes(Read(whitelist)), Backend, File, "boot-1");

    public void Dispose()
    {
        Store.Dispose();
        Log.Dispose();
        Loop.Dispose();
        Directory.Delete(_directory, recursive: true);
    }
}
