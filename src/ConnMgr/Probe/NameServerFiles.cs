using ConnMgr.Native;

namespace ConnMgr.Probe;

/// <summary>The files that name servers are read from, shared by all links.</summary>
internal static class NameServerFiles
{
    private const int Limit = 65536; // bytes

    /// <summary>OpenWrt: netifd writes the servers of each interface here.</summary>
    public static CachedFile Auto { get; } = new("/tmp/resolv.conf.d/resolv.conf.auto", Limit);

    /// <summary>resolv.conf(5).</summary>
    public static CachedFile ResolvConf { get; } = new("/etc/resolv.conf", Limit);

    /// <summary>The servers that systemd-resolved asks, where resolv.conf names its stub 127.0.0.53.</summary>
    public static CachedFile BehindStub { get; } = new("/run/systemd/resolve/resolv.conf", Limit);
}
