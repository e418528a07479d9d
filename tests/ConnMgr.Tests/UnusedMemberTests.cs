using System.Reflection;
using System.Text.RegularExpressions;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using ConnMgr.Netlink;

namespace ConnMgr.Tests;

/// <summary>
/// Each member of the product is used by the product: a member that only tests use is dead code, and its
/// tests prove nothing about the executable.
/// </summary>
public sealed partial class UnusedMemberTests
{
    /// <summary>Members that only tests use, each with its reason.</summary>
    private static readonly string[] ForTests =
    [
        "ConnMgr.Capture.OutgoingFilter.Build", // this part of the filter alone, for the kernel to judge
        "ConnMgr.Dns.DnsWatch.get_EvictedCount", // shows that a bound was reached
        "ConnMgr.Dns.DnsWatch.get_LostStreamCount", // likewise
        "ConnMgr.Firewall.Holes.get_WorkForRoom", // shows that work does not grow with what is stored
        "ConnMgr.Probe.QuestionRunner.get_SocketCount", // shows that sockets are shared, and closed
    ];

    /// <summary>
    /// Constants that nothing names but their definition, each with its reason. The compiler copies the
    /// values of constants, so this searches the source.
    /// </summary>
    private static readonly string[] UnnamedConstants =
    [
    ];

    /// <summary>
    /// Types that give constants of C headers their names, for the C compiler to check (AbiTests).
    /// </summary>
    private static readonly string[] Headers =
    [
        nameof(AttrdShim), nameof(NetlinkHeader), nameof(Rtnetlink), nameof(InetDiag), nameof(Ctnetlink),
    ];

    [Fact]
    public void The_product_uses_each_of_its_members()
    {
        string[] unused = CompiledMembers.Unreached(typeof(Loop).Assembly);
        string dead = string.Join('\n', unused.Except(ForTests));
        Assert.True(dead.Length == 0, $"only tests use these, or nothing does:\n{dead}");
        Assert.Equal([], ForTests.Except(unused)); // the product uses it now, or it is gone
    }

    [Fact]
    public void The_product_names_each_of_its_constants()
    {
        Dictionary<string, int> words = Directory
            .EnumerateFiles(Repository.Source, "*.cs", SearchOption.AllDirectories)
            .Where(path => !path.Contains("/obj/", StringComparison.Ordinal))
            .SelectMany(path => Word().Matches(Code(File.ReadAllText(path))).Select(word => word.Value))
            .CountBy(word => word).ToDictionary();
        string[] unused =
        [
            .. from type in typeof(Loop).Assembly.GetTypes()
               where type.Namespace?.StartsWith("ConnMgr", StringComparison.Ordinal) == true
                   && !Headers.Contains(type.Name)
               from field in type.GetFields(Declared)
               where field.IsLiteral && words.GetValueOrDefault(field.Name) < 2
               select $"{type.FullName}.{field.Name}",
        ];
        string dead = string.Join('\n', unused.Except(UnnamedConstants));
        Assert.True(dead.Length == 0, $"nothing names these:\n{dead}");
        Assert.Equal([], UnnamedConstants.Except(unused));
    }

    /// <summary>Returns the source without comments.</summary>
    private static string Code(string source) => Comment().Replace(source, "");

    private const BindingFlags Declared = BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic
        | BindingFlags.DeclaredOnly;

    [GeneratedRegex(@"//.*$", RegexOptions.Multiline)]
    private static partial Regex Comment();

    [GeneratedRegex(@"\w+")]
    private static partial Regex Word();
}
