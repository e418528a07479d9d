using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using ConnMgr.Firewall;
using ConnMgr.Native;

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
        #include <sys/timerfd.h>
        #include <sys/wait.h>
        #include <netinet/icmp6.h>
        #include <linux/icmp.h>
        #include <linux/filter.h>
        #include <linux/netfilter.h>
        #include <linux/netfilter/nfnetlink.h>
        #include <linux/netfilter/nfnetlink_conntrack.h>
        #include <linux/netfilter/nfnetlink_queue.h>
        #include <linux/netlink.h>
        #include <linux/netfilter/nf_tables.h>
        #include <linux/netfilter/ipset/ip_set.h>
        #include <linux/netfilter_ipv4/ip_tables.h>
        #include <linux/netfilter_ipv6/ip6_tables.h>
        #include "attrd_shim.h"

        """;

    [Fact]
    public void Constants_are_those_of_the_headers()
    {
        List<string> assertions = [];
        foreach (Type type in new[] { typeof(Libc), typeof(Errno), typeof(AttrdShim), typeof(Nfqueue), typeof(NftEvent), typeof(SetMessage) })
        {
            foreach (FieldInfo field in type.GetFields(BindingFlags.Static | BindingFlags.Public).Where(f => f.IsLiteral))
            {
                assertions.Add($"_Static_assert({field.Name} == {field.GetRawConstantValue()}, \"{field.Name}\");");
            }
        }
        Assert.True(assertions.Count > 20);
        Compile(assertions);
    }

    [Fact]
    public void Structs_are_those_of_the_headers()
    {
        Compile(
        [
            Same<Libc.sock_filter>("struct sock_filter", "code", "jt", "jf", "k"),
            Same<Libc.sock_fprog>("struct sock_fprog", "len", "filter"),
            "_Static_assert(offsetof(struct dirent64, d_reclen) == 16, \"d_reclen\");",
            "_Static_assert(offsetof(struct dirent64, d_name) == 19, \"d_name\");",
            Same<AttrdShim.attrd_event>("attrd_event", "token", "attribute", "type", "status", "length", "value"),
            Same<AttrdShim.attrd_watch>("attrd_watch", "deadline_ns", "generation", "fd", "events", "state"),
            $"_Static_assert(sizeof(struct itimerspec) == {Marshal.SizeOf<Libc.itimerspec>()}, \"itimerspec\");",
            $"_Static_assert(sizeof(struct sigevent) == {Marshal.SizeOf<Libc.sigevent>()}, \"sigevent\");",
            $"_Static_assert(offsetof(struct sigevent, sigev_signo) == {Marshal.OffsetOf<Libc.sigevent>("sigev_signo")}, \"signo\");",
            $"_Static_assert(offsetof(struct sigevent, sigev_notify) == {Marshal.OffsetOf<Libc.sigevent>("sigev_notify")}, \"notify\");",
            $"_Static_assert(sizeof(posix_spawnattr_t) <= {Marshal.SizeOf<Libc.posix_spawnattr_t>()}, \"spawnattr\");",
            $"_Static_assert(sizeof(posix_spawn_file_actions_t) <= {Marshal.SizeOf<Libc.posix_spawn_file_actions_t>()}, \"actions\");",
        ]);
    }

    [Fact]
    public void A_rule_of_a_legacy_table_is_where_its_fingerprint_looks() => Compile(
    [
        "_Static_assert(sizeof(struct ipt_getinfo) == 84 && offsetof(struct ipt_getinfo, size) == 80, \"getinfo\");",
        "_Static_assert(offsetof(struct ipt_get_entries, entrytable) == 40, \"get_entries\");",
        "_Static_assert(sizeof(struct ipt_ip) == 84 && offsetof(struct ipt_entry, next_offset) == 90, \"ipt\");",
        "_Static_assert(offsetof(struct ipt_entry, counters) == 96 && sizeof(struct ipt_entry) == 112, \"ipt\");",
        "_Static_assert(sizeof(struct ip6t_ip6) == 136 && offsetof(struct ip6t_entry, next_offset) == 142, \"ip6t\");",
        "_Static_assert(offsetof(struct ip6t_entry, counters) == 152 && sizeof(struct ip6t_entry) == 168, \"ip6t\");",
    ]);

    [Fact]
    public void The_compiler_finds_a_wrong_constant() =>
        Assert.ThrowsAny<Exception>(() => Compile(["_Static_assert(SO_MARK == 1, \"wrong\");"]));

    private static string Same<T>(string name, params string[] fields) => string.Join(
        '\n',
        fields.Select(field => $"_Static_assert(offsetof({name}, {field}) == {Marshal.OffsetOf<T>(field)}, \"{field}\");")
            .Append($"_Static_assert(sizeof({name}) == {Marshal.SizeOf<T>()}, \"{name}\");"));

    private static void Compile(IEnumerable<string> assertions)
    {
        using Process compiler = Process.Start(new ProcessStartInfo(
            "gcc", $"-std=c11 -fsyntax-only -I {Path.Combine(Repository.Root, "native")} -x c -")
        {
            RedirectStandardInput = true,
            RedirectStandardError = true,
        })!;
        compiler.StandardInput.Write(Headers + string.Join('\n', assertions) + "\n");
        compiler.StandardInput.Close();
        string said = compiler.StandardError.ReadToEnd();
        compiler.WaitForExit();
        Assert.True(compiler.ExitCode == 0, said);
    }
}
