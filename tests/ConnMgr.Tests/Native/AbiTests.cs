using System.Diagnostics;
using System.Reflection;
using System.Text.RegularExpressions;
using ConnMgr.Firewall;
using ConnMgr.Native;
using ConnMgr.Netlink;

namespace ConnMgr.Tests.Native;

/// <summary>The C compiler judges every constant and struct that we declare ourselves.</summary>
public class AbiTests
{
    private const string Headers = """
        #define _GNU_SOURCE
        #include <stddef.h>
        #include <dirent.h>
        #include <signal.h>
        #include <spawn.h>
        #include <time.h>
        #include <errno.h>
        #include <sys/file.h>
        #include <sys/socket.h>
        #include <sys/eventfd.h>
        #include <sys/timerfd.h>
        #include <sys/wait.h>
        #include <sys/timex.h>
        #include <linux/magic.h>
        #include <sys/epoll.h>
        #include <sys/prctl.h>
        #include <sys/random.h>
        #include <sys/stat.h>
        #include <sys/syscall.h>
        #include <sys/un.h>
        #include <fcntl.h>
        #include <poll.h>
        #include <netinet/in.h>
        #include <linux/capability.h>
        #include <linux/if_packet.h>
        #include <linux/if.h>
        #include <linux/if_addr.h>
        #include <linux/rtnetlink.h>
        #include <linux/ipv6_route.h>
        #include <linux/neighbour.h>
        #include <linux/fib_rules.h>
        #include <linux/sock_diag.h>
        #include <linux/inet_diag.h>
        #include <linux/tcp.h>
        #include <linux/bpf.h>
        #include <netinet/icmp6.h>
        #include <linux/icmp.h>
        #include <linux/filter.h>
        #include <linux/netfilter.h>
        #include <linux/netfilter/nfnetlink.h>
        #include <linux/netfilter/nfnetlink_conntrack.h>
        #include <linux/netfilter/nf_conntrack_common.h>
        #include <linux/netfilter/nfnetlink_queue.h>
        #include <linux/netlink.h>
        #include <linux/netfilter/nf_tables.h>
        #include <linux/netfilter/ipset/ip_set.h>
        #include <linux/netfilter_ipv4/ip_tables.h>
        #include <linux/netfilter_ipv6/ip6_tables.h>
        #include "attrd_shim.h"
        #include "capabilities.h"
        #include "local_time.h"
        /* The states of <net/tcp_states.h>, which is not exported under these names beside <linux/tcp.h>. */
        #define TCP_ESTABLISHED BPF_TCP_ESTABLISHED
        #define TCP_SYN_SENT BPF_TCP_SYN_SENT
        #define TCP_FIN_WAIT1 BPF_TCP_FIN_WAIT1
        #define TCP_FIN_WAIT2 BPF_TCP_FIN_WAIT2
        #define TCP_CLOSE BPF_TCP_CLOSE
        #define TCP_CLOSE_WAIT BPF_TCP_CLOSE_WAIT
        #define TCP_LAST_ACK BPF_TCP_LAST_ACK
        #define TCP_CLOSING BPF_TCP_CLOSING

        """;

    /// <summary>The C compiler for each machine, and the size of its pointers.</summary>
    public static TheoryData<string, int> Machines { get; } = new()
    {
        { "x86_64-linux-gnu", 8 },
        { "aarch64-linux-gnu", 8 },
        { "arm-linux-gnueabihf", 4 },
    };

    [Theory, MemberData(nameof(Machines))]
    public void Constants_are_those_of_the_headers(string machine, int pointerSize)
    {
        List<string> assertions = [];
        Type[] types =
        [
            typeof(LibcExtra), typeof(Errno), typeof(AttrdShim), typeof(NetlinkHeader), typeof(Rtnetlink),
            typeof(InetDiag), typeof(Ctnetlink), typeof(Nfqueue), typeof(NftEvent), typeof(Nftables),
            typeof(IpsetMessage),
        ];
        foreach (Type type in types)
        {
            foreach (FieldInfo field in type.GetFields(BindingFlags.Static | BindingFlags.Public).Where(
                f => f.IsLiteral))
            {
                assertions.Add(
                    $"_Static_assert({field.Name} == {field.GetRawConstantValue()}, \"{field.Name}\");");
            }
        }
        Assert.True(assertions.Count > 20);
        // Constants that are private, or literals where they are used.
        assertions.AddRange(
        [
            "_Static_assert(SO_PEERCRED == 17 && IPT_SO_GET_INFO == 64 && AF_INET == 2 && AF_INET6 == 10, "
                + "\"\");",
            $"_Static_assert(SYS_getdents64 == "
                + $"{(machine.StartsWith("aarch64", StringComparison.Ordinal) ? 61 : 217)}, \"getdents64\");",
            $"_Static_assert(sizeof(void *) == {pointerSize} && sizeof(socklen_t) == 4, \"pointer\");",
            "_Static_assert(S_IXUSR == 0x40 && (S_IWGRP | S_IWOTH) == 0x12 && GRND_NONBLOCK == 1, \"\");",
            "_Static_assert((NLA_TYPE_MASK & 0xffff) == 0x3fff, \"\");",
            "_Static_assert(TCP_INFO == 11 && offsetof(struct tcp_info, tcpi_segs_out) == 136, "
                + "\"tcp_info\");",
            "_Static_assert(offsetof(struct tcp_info, tcpi_segs_in) == 140, \"tcp_info\");",
            "_Static_assert(offsetof(struct tcp_info, tcpi_retrans) == 36, \"tcp_info\");",
            "_Static_assert(offsetof(struct tcp_info, tcpi_total_retrans) == 100, \"tcp_info\");",
            "_Static_assert(offsetof(struct tcp_info, tcpi_bytes_received) == 128, \"tcp_info\");",
            "_Static_assert(CAP_NET_ADMIN == 12 && CAP_NET_RAW == 13, \"\");",
        ]);
        Compile(machine, assertions);
    }

    /// <summary>
    /// Checks each name that our sources use, in Tmds.LibC's assembly for that machine (not this one).
    /// </summary>
    [Theory, MemberData(nameof(Machines))]
    public void Constants_of_the_package_are_those_of_the_headers(string machine, int pointerSize)
    {
        using LayoutReader package = Package(machine, pointerSize);
        SortedSet<string> names = [];
        foreach (string file in Directory.EnumerateFiles(
            Repository.Source, "*.cs", SearchOption.AllDirectories))
        {
            foreach (Match match in Regex.Matches(
                File.ReadAllText(file), @"\bLibC\.([A-Z][A-Z0-9_]+)\b(?!\()"))
            {
                names.Add(match.Groups[1].Value);
            }
        }
        Assert.True(names.Count > 30);
        Compile(machine, names.Select(name =>
            $"_Static_assert({name} == {package.ConstantOf("LibC", name)}, \"{name}\");"));
    }

    [Theory, MemberData(nameof(Machines))]
    public void Structs_are_those_of_the_headers(string machine, int pointerSize)
    {
        using LayoutReader package = Package(machine, pointerSize);
        using LayoutReader ours = new(typeof(LibcExtra).Assembly.Location, pointerSize, package);
        string status = pointerSize == 8 ? "_third" : "_fourth";
        Compile(
            machine,
            [
                Same(ours, "sock_filter", "struct sock_filter"),
                Same(ours, "sock_fprog", "struct sock_fprog"),
                Same(ours, "sockaddr_nl", "struct sockaddr_nl"),
                Same(ours, "attrd_event", "attrd_event"),
                Same(ours, "attrd_watch", "attrd_watch"),
                Same(ours, "sigevent", "struct sigevent"),
                Same(ours, "siginfo", "siginfo_t"),
                At("siginfo_t", "si_status",
                    ours.StructOf("siginfo").Fields.Single(field => field.Name == status).Offset),
                $"_Static_assert(sizeof(struct itimerspec) == {ours.StructOf("itimerspec").Size}, "
                    + "\"itimerspec\");",
                At("struct itimerspec", "it_interval.tv_nsec", ours.StructOf("itimerspec").Fields[1].Offset),
                At("struct itimerspec", "it_value.tv_sec", ours.StructOf("itimerspec").Fields[2].Offset),
                At("struct itimerspec", "it_value.tv_nsec", ours.StructOf("itimerspec").Fields[3].Offset),
                $"_Static_assert(sizeof(posix_spawnattr_t) <= {ours.StructOf("posix_spawnattr_t").Size}, "
                    + "\"spawnattr\");",
                $"_Static_assert(sizeof(posix_spawn_file_actions_t) <= "
                    + $"{ours.StructOf("posix_spawn_file_actions_t").Size}, \"actions\");",
                At("struct dirent64", "d_reclen", 16),
                At("struct dirent64", "d_name", 19),
                At("struct sockaddr_in", "sin_addr", 4),
                At("struct sockaddr_in6", "sin6_addr", 8),
                At("struct sockaddr_in6", "sin6_scope_id", 24),
                "_Static_assert(sizeof(struct sockaddr_in) == 16 && sizeof(struct sockaddr_in6) == 28, "
                    + "\"\");",
                "_Static_assert(sizeof(struct ucred) == 12 && offsetof(struct ucred, uid) == 4, \"ucred\");",
                "_Static_assert(sizeof(struct nlmsghdr) == 16 && sizeof(struct nfgenmsg) == 4 && "
                    + "sizeof(struct rtmsg) == 12, \"\");",
                "_Static_assert(sizeof(struct inet_diag_sockid) == 48 && sizeof(struct inet_diag_msg) == 72, "
                    + "\"inet_diag\");",
                At("struct inet_diag_msg", "idiag_inode", 68),
                At("struct inet_diag_msg", "id.idiag_src", 8),
                At("struct inet_diag_msg", "id.idiag_dst", 24),
                At("struct inet_diag_msg", "id.idiag_if", 40),
                "_Static_assert(sizeof(struct inet_diag_req_v2) == 56 && sizeof(struct rtnexthop) == 8, "
                    + "\"\");",
                "_Static_assert(sizeof(struct ifinfomsg) == 16 && sizeof(struct ifaddrmsg) == 8 && "
                    + "sizeof(struct nlmsgerr) == 20, \"\");",
                .. "sockaddr_ll sockaddr_un epoll_event msghdr iovec cmsghdr pollfd linger ucred".Split(' ')
                    .Select(name => Same(package, name, "struct " + name)),
                // Where there are two variants of stat, the package calls the one for large files.
                Same(package, "stat", pointerSize == 4 ? "struct stat64" : "struct stat"),
                $"_Static_assert(sizeof(sigset_t) == {package.StructOf("sigset_t").Size}, \"sigset_t\");",
                $"_Static_assert(sizeof(size_t) == {package.StructOf("size_t").Size}, \"size_t\");",
                // A 64-bit argument takes two registers on 32-bit Arm, so the function types must agree, too.
                "_Static_assert(__builtin_types_compatible_p(__typeof__(connmgr_utc_offset), "
                    + "int32_t(int64_t)), \"\");",
                "_Static_assert(__builtin_types_compatible_p(__typeof__(connmgr_keep_capabilities), "
                    + "int32_t(uint64_t)), \"\");",
                "_Static_assert(__builtin_types_compatible_p(__typeof__(attrd_process), void(attrd_handle *, "
                    + "uint64_t)), \"\");",
            ]);
    }

    [Theory]
    [InlineData("x86_64-linux-gnu"), InlineData("aarch64-linux-gnu"), InlineData("arm-linux-gnueabihf")]
    public void A_rule_of_a_legacy_table_is_where_its_fingerprint_looks(string machine) => Compile(
        machine,
        [
            "_Static_assert(sizeof(struct ipt_getinfo) == 84 && offsetof(struct ipt_getinfo, size) == 80, "
                + "\"getinfo\");",
            "_Static_assert(offsetof(struct ipt_get_entries, entrytable) == 40, \"get_entries\");",
            "_Static_assert(sizeof(struct ipt_ip) == 84 && offsetof(struct ipt_entry, next_offset) == 90, "
                + "\"ipt\");",
            "_Static_assert(offsetof(struct ipt_entry, counters) == 96 && sizeof(struct ipt_entry) == 112, "
                + "\"ipt\");",
            "_Static_assert(sizeof(struct ip6t_ip6) == 136 && offsetof(struct ip6t_entry, next_offset) == "
                + "142, \"ip6t\");",
            "_Static_assert(offsetof(struct ip6t_entry, counters) == 152 && sizeof(struct ip6t_entry) == "
                + "168, \"ip6t\");",
        ]);

    [Theory, MemberData(nameof(Machines))]
    public void The_compiler_finds_a_wrong_constant(string machine, int pointerSize) =>
        Assert.ThrowsAny<Exception>(
            () => Compile(machine, [$"_Static_assert(SO_MARK == {pointerSize}, \"wrong\");"]));

    /// <summary>Compiles as build.sh does, with warnings as errors.</summary>
    [Theory]
    [InlineData("x86_64-linux-gnu"), InlineData("aarch64-linux-gnu"), InlineData("arm-linux-gnueabihf")]
    public void Our_C_code_compiles(string machine)
    {
        string[] sources = Directory.GetFiles(Path.Combine(Repository.Root, "native"), "*.c");
        Assert.NotEmpty(sources);
        Assert.All(sources, source =>
            Run(machine, $"-std=c11 -Os -fPIC -Wall -Wextra -Werror -S -o /dev/null {source}"));
    }

    private static LayoutReader Package(string machine, int pointerSize)
    {
        string name = machine[0] == 'x' ? "linux-x64" : pointerSize == 8 ? "linux-arm64" : "linux-arm";
        return new LayoutReader(
            Path.Combine(AppContext.BaseDirectory, "runtimes", name, "lib", "netstandard2.0",
                "Tmds.LibC.dll"), pointerSize);
    }

    private static string At(string type, string field, int offset) =>
        $"_Static_assert(offsetof({type}, {field}) == {offset}, \"{field}\");";

    /// <summary>Checks the size, and the offset of each field that has the header's name.</summary>
    private static string Same(LayoutReader reader, string name, string type)
    {
        LayoutReader.Layout layout = reader.StructOf(name);
        return string.Join(
            '\n',
            layout.Fields.Where(field => field.Name[0] != '_').Select(
                field => At(type, field.Name, field.Offset))
                .Append($"_Static_assert(sizeof({type}) == {layout.Size}, \"{type}\");"));
    }

    private static void Compile(string machine, IEnumerable<string> assertions) =>
        Run(machine, $"-std=c11 -fsyntax-only -I {Path.Combine(Repository.Root, "native")} -x c -", Headers
            + string.Join('\n', assertions) + "\n");

    private static void Run(string machine, string options, string input = "")
    {
        using Process compiler = Process.Start(new ProcessStartInfo($"{machine}-gcc", options)
        {
            RedirectStandardInput = true,
            RedirectStandardError = true,
        })!;
        compiler.StandardInput.Write(input);
        compiler.StandardInput.Close();
        string said = compiler.StandardError.ReadToEnd();
        compiler.WaitForExit();
        Assert.True(compiler.ExitCode == 0, said);
    }
}
