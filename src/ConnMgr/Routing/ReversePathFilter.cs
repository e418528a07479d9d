namespace ConnMgr.Routing;

/// <summary>
/// The kernel's reverse-path filter (Documentation/networking/ip-sysctl.rst, rp_filter): in strict mode it
/// drops the answers on a link that does not carry the default route. Pure; the daemon reads and writes the
/// files.
/// </summary>
internal static class ReversePathFilter
{
    /// <summary>Returns the file of one interface, or of `all`.</summary>
    public static string Path(string ifname) => $"/proc/sys/net/ipv4/conf/{ifname}/rp_filter";

    /// <summary>True if the effective value, the larger of the two, is 1 (strict).</summary>
    /// <param name="all">The content of the file of `all`; null if it cannot be read.</param>
    /// <param name="own">The content of the link's file.</param>
    public static bool IsStrict(string? all, string? own) => Math.Max(Parse(all), Parse(own)) == 1;

    private static int Parse(string? text) => text is ['0' or '1' or '2', ..] ? text[0] - '0' : 0;
}
