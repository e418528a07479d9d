using ConnMgr.App;
using ConnMgr.Cli;
using ConnMgr.Config;

namespace ConnMgr.Tests.Config;

/// <summary>
/// The options of the service: what the init script answers, and what a verb takes of them.
/// </summary>
public sealed class ServiceOptionsTests
{
    [Theory]
    [InlineData("options:\n", "", 0)]
    [InlineData("options: -d --idle 5\n", "-d --idle 5", 0)]
    [InlineData("connmgr.main.idle: '1' is no number\noptions: --dns hold\n", "--dns hold", 1)]
    [InlineData("a\nb\noptions: -v\nnoise\n", "-v", 2)]
    public void The_answer_of_the_init_script_is_read(string output, string words, int faults)
    {
        ServiceOptions service = ServiceOptions.Of(output);
        Assert.Equal(words, string.Join(' ', service.Words!));
        Assert.Equal(faults, service.Faults.Count);
        Assert.Equal("/etc/config/connmgr", service.Source);
    }

    [Theory]
    [InlineData("")]
    [InlineData("Syntax: /etc/init.d/connmgr [command]\n\nAvailable commands:\n\tstart\n")]
    [InlineData(" options: -d\n")]
    public void No_answer_is_a_fault_and_not_the_defaults(string output)
    {
        ServiceOptions service = ServiceOptions.Of(output);
        Assert.Null(service.Words);
        Assert.Contains("does not say", Assert.Single(service.Faults), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("probe", "tls://a.example 198.18.0.1 198.18.0.53 5 /svc /svc-run")]
    [InlineData(
        "probe eth0 --probe tcp://b.example:9", "tcp://b.example:9 198.18.0.1 198.18.0.53 5 /svc /svc-run")]
    [InlineData("probe --echo b.example", "echo://b.example:80 198.18.0.1 198.18.0.53 5 /svc /svc-run")]
    [InlineData("probe --no-ping --resolver 198.18.0.54", "tls://a.example  198.18.0.54 5 /svc /svc-run")]
    [InlineData(
        "probe --mark-bit 6 --config-dir /own", "tls://a.example 198.18.0.1 198.18.0.53 6 /own /svc-run")]
    [InlineData("route eth0 --run-dir /own", "tls://a.example 198.18.0.1 198.18.0.53 5 /svc /own")]
    [InlineData("unlock", "tls://a.example 198.18.0.1 198.18.0.53 5 /svc /svc-run")]
    public void What_a_verb_is_not_told_is_as_in_the_options_of_the_service(string line, string expected)
    {
        Options service = CommandLine.Read(
            ["--probe", "tls://a.example", "--ping", "198.18.0.1", "--resolver", "198.18.0.53",
                "--mark-bit", "5", "--config-dir", "/svc", "--run-dir", "/svc-run"],
            out _)!;
        Options options = CommandLine.Read(line.Split(' '), out _, service)!;
        Assert.Equal(
            expected,
            string.Join(
                ' ', string.Join(',', options.Services), string.Join<System.Net.IPAddress>(',', options.Ping),
                string.Join<System.Net.IPAddress>(',', options.Resolvers), options.MarkBit,
                options.ConfigDirectory, options.RunDirectory));
        Assert.True(options.HasRunDirectory);
    }
}
