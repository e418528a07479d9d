using System.Diagnostics;
using SharpFuzz;

namespace ConnMgr.Fuzz;

/// <summary>
/// Fuzzes the readers of foreign bytes. tests/fuzz.sh runs it under AFL++; CONTRIBUTING.md says how.
/// </summary>
internal static class Program
{
    private const string Usage = """
        targets                         the names of all targets
        replay [TARGET [FILE...]]       run these inputs, or the kept ones
        random TARGET COUNT [SEED]      run random changes of the kept inputs
        afl TARGET                      run below afl-fuzz and the like
        """;

    /// <summary>All targets, by group.</summary>
    public static Target[] Targets { get; } =
    [
        new("dns-reply", DnsTargets.Reply),
        new("dns-query", DnsTargets.Query),
        new("dns-name", DnsTargets.Name),
        new("dns-stream", DnsTargets.Stream, fixedMemory: 1 << 20),
        new("dns-watch", DnsTargets.Watch, fixedMemory: 4 << 20),

        new("packet", PacketTargets.Transport),
        new("frame", PacketTargets.Description),
        new("icmp", PacketTargets.EchoReply),

        new("rtnetlink", RtnetlinkTargets.State),
        new("route", RtnetlinkTargets.Route),
        new("uevent", RtnetlinkTargets.Event),

        new("sock-diag", NetfilterTargets.Socket),
        new("conntrack", NetfilterTargets.Connection),
        new("ipset", NetfilterTargets.AddressSet),
        new("nfqueue", NetfilterTargets.Queue),
        new("nft-elements", NetfilterTargets.SetElements),
        new("nft-ruleset", NetfilterTargets.Ruleset),
        new("legacy-rules", NetfilterTargets.LegacyRules),

        new("netif-names", FileTargets.NetifNames),
        new("whitelist", FileTargets.Whitelist),
        new("resolv-conf", FileTargets.ResolvConf),
        new("holes", FileTargets.Holes),
        new("defaults", FileTargets.Defaults),
        new("group", FileTargets.Groups),
        new("net-dev", FileTargets.Counters),
        new("net-udp", FileTargets.Sockets),

        new("control", TextTargets.Request),
        new("ubus", TextTargets.Networks),
        new("json", TextTargets.Json),
        new("resolver-report", TextTargets.Report),
        new("probe-url", TextTargets.Url),

        new("http-204", ProbeTargets.Http204),
        new("http-body", ProbeTargets.HttpBody),
        new("tls", ProbeTargets.Tls),
        new("mqtt", ProbeTargets.Mqtt),
        new("coap", ProbeTargets.Coap),
        new("echo", ProbeTargets.Echo),
    ];

    private static int Main(string[] arguments)
    {
        switch (arguments)
        {
            case ["targets"]:
                Console.WriteLine(string.Join('\n', Targets.Select(target => target.Name)));
                return 0;
            case ["replay"]:
                return Array.TrueForAll(Targets, target => Replay(target, Corpus.FilesOf(target))) ? 0 : 1;
            case ["replay", string name, .. string[] files]:
                Target replayed = Find(name);
                return Replay(replayed, files.Length > 0 ? files : Corpus.FilesOf(replayed)) ? 0 : 1;
            case ["random", string name, string count]:
                return Mutate(Find(name), int.Parse(count, null), seed: 1) ? 0 : 1;
            case ["random", string name, string count, string seed]:
                return Mutate(Find(name), int.Parse(count, null), int.Parse(seed, null)) ? 0 : 1;
            case ["afl", string name]:
                Target target = Find(name);
                Fuzzer.Run(stream => target.Run(AllOf(stream)));
                return 0;
            default:
                Console.Error.WriteLine(Usage);
                return 64;
        }
    }

    private static Target Find(string name) => Array.Find(Targets, target => target.Name == name)
        ?? throw new ArgumentException($"there is no target '{name}'");

    private static byte[] AllOf(Stream stream)
    {
        byte[] bytes = new byte[Target.LongestInput];
        return bytes[..stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false)];
    }

    private static bool Replay(Target target, string[] files)
    {
        bool isRight = true;
        foreach (string file in files)
        {
            try
            {
                target.Run(File.ReadAllBytes(file));
            }
            catch (Exception exception)
            {
                Console.WriteLine($"{target.Name}: {file}: {exception}");
                isRight = false;
            }
        }
        Console.WriteLine($"{target.Name}: {files.Length} inputs");
        return isRight;
    }

    private static bool Mutate(Target target, int count, int seed)
    {
        Mutator mutator = new(Corpus.Of(target), seed);
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < count; i++)
        {
            byte[] bytes = mutator.Next();
            try
            {
                target.Run(bytes);
            }
            catch (Exception exception)
            {
                string file = Path.Combine(Path.GetTempPath(), $"{target.Name}-{seed}-{i}.bin");
                File.WriteAllBytes(file, bytes);
                Console.WriteLine($"{target.Name}: {file}: {exception}");
                return false;
            }
        }
        TimeSpan took = Stopwatch.GetElapsedTime(start);
        Console.WriteLine($"{target.Name}: {count} inputs, {took.TotalSeconds:f1} s");
        return true;
    }
}
