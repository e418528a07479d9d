using ConnMgr.Cli;
using ConnMgr.Config;
using ConnMgr.Logging;

namespace ConnMgr.Tests.Cli;

public class CommandLineTests
{
    [Fact]
    public void Without_arguments_the_defaults_of_the_contract_hold()
    {
        Options options = Read();
        Assert.Equal(
            "False /etc/af-conn /usr/lib/af-conn /var/run/connmgr echo://echo.afero.io:80 8.8.8.8  16 "
                + "Suspect /var/run/IPC.ATTRD Auto Info",
            string.Join(
                ' ', options.IsFirewallDisabled, options.ConfigDirectory, options.ScriptDirectory,
                options.RunDirectory, string.Join(',', options.Services),
                string.Join<System.Net.IPAddress>(',', options.Ping), string.Join<System.Net.IPAddress>(',',
                    options.Resolvers), options.Idle.General, options.WanProbe,
                options.AttrdSocket, options.LogTarget, options.LogLevel));
    }

    [Fact]
    public void Options_are_read()
    {
        Options options = Read(
            "-d", "--echo", "198.18.0.1:7", "--echo", "[2001:db8::1]:8", "--ping", "198.18.0.2", "--ping",
            "2001:db8::2", "--resolver=198.18.0.3", "--idle", "3600", "--wan-probe", "always", "--no-attrd",
            "--log", "syslog", "-v");
        Assert.True(options.IsFirewallDisabled);
        Assert.Equal("echo://198.18.0.1,echo://[2001:db8::1]:8", string.Join(',', options.Services));
        Assert.Equal(2, options.Ping.Count);
        Assert.Equal("198.18.0.3", options.Resolvers.Single().ToString());
        Assert.Equal(
            (3600, WanProbe.Always, null, LogTarget.Syslog, LogLevel.Debug),
            (options.Idle.General, options.WanProbe, options.AttrdSocket, options.LogTarget,
                options.LogLevel));
        Assert.Empty(Read("--no-ping").Ping);
    }

    [Fact]
    public void Services_are_read_in_both_spellings()
    {
        Options options = Read(
            "--probe", "http://a.example/x#=two words", "--echo", "b.example", "--probe=tls://c.example");
        Assert.Equal(
            "echo://b.example:80 http://a.example/x#=two words tls://c.example",
            string.Join(' ', options.Services));
    }

    [Fact]
    public void The_verb_probe_is_read()
    {
        Options options = Read(
            "probe", "eth0", "--probe", "tls://c.example", "--no-ping", "--resolver", "198.18.0.3");
        Assert.Equal(
            (Verb.Probe, "eth0", "tls://c.example", 0, 1),
            (options.Verb, options.ProbeInterface, string.Join(' ', options.Services), options.Ping.Count,
                options.Resolvers.Count));
        Assert.Null(Read("probe").ProbeInterface);
    }

    [Fact]
    public void Options_of_the_lockdown_are_read()
    {
        Options standard = Read();
        Assert.Equal(
            (DnsMode.Auto, 5353, false), (standard.Dns, standard.QueueNumber, standard.AllowsPrivateAnswers));
        Assert.Equal(7, standard.MarkBit);
        Assert.Empty(standard.DnsServers);
        Options options = Read(
            "--dns", "hold", "--queue-num", "65535", "--allow-private-answers", "--dns-servers",
            "198.18.0.1,2001:db8::1");
        Assert.Equal(
            (DnsMode.Hold, 65535, true), (options.Dns, options.QueueNumber, options.AllowsPrivateAnswers));
        Assert.Equal("198.18.0.1,2001:db8::1", string.Join<System.Net.IPAddress>(',', options.DnsServers));
        Assert.Equal(DnsServerMode.Listed, options.DnsServerMode);
        Assert.Equal(DnsServerMode.Auto, standard.DnsServerMode);
        Assert.Equal(DnsServerMode.Auto, Read("--dns-servers", "auto").DnsServerMode);
        Assert.Equal(DnsServerMode.Any, Read("--dns-servers", "any").DnsServerMode);
        Assert.Empty(Read("--dns-servers", "any").DnsServers);
    }

    [Theory]
    [InlineData("/x", "check", "--config-dir", "/x")]
    [InlineData("/x", "--config-dir", "/x", "check")]
    [InlineData("/etc/af-conn", "check")]
    public void A_verb_is_read_with_its_options(string directory, params string[] args) =>
        Assert.Equal((Verb.Check, directory), (Read(args).Verb, Read(args).ConfigDirectory));

    [Theory]
    [InlineData("--bogus")]
    [InlineData("check", "word")]
    [InlineData("check", "--config-dir", "")]
    [InlineData("--config-dir", "/x", "check", "--config-dir", "/y")]
    [InlineData("word")]
    [InlineData("--idle", "1")]
    [InlineData("--idle", "3601")]
    [InlineData("--idle", "x")]
    [InlineData("--idle", "5", "--idle", "6")]
    [InlineData("--idle")]
    [InlineData("--echo", "a:0")]
    [InlineData("--echo", "")]
    [InlineData("--echo", "a b")]
    [InlineData("--probe", "a.example")]
    [InlineData("--probe", "https://a.example")]
    [InlineData("--probe", "http://a.example/")]
    [InlineData("--probe", "tcp://a.example")]
    [InlineData("status", "--probe", "tls://a.example")]
    [InlineData("--probe", "tls://a.example", "status")]
    [InlineData("-d", "reload")]
    [InlineData("unlock", "--config-dir", "/x")]
    [InlineData("probe", "eth0", "eth1")]
    [InlineData("--ping", "name.example")]
    [InlineData("--ping", "1")]
    [InlineData("--resolver", "198.18.0.300")]
    [InlineData("--wan-probe", "sometimes")]
    [InlineData("--dns", "maybe")]
    [InlineData("--dns-servers", "198.18.0.1,")]
    [InlineData("--dns-servers", "")]
    [InlineData("--queue-num", "65536")]
    [InlineData("--queue-num", "-1")]
    [InlineData("--mark-bit", "31")]
    [InlineData("--mark-bit", "0x80")]
    [InlineData("--log", "paper")]
    [InlineData("--config-dir", "")]
    [InlineData("--attrd-socket", "")]
    [InlineData("@file")]
    [InlineData("[diagram]")]
    public void A_mistake_is_exit_status_64(params string[] args)
    {
        Options? options = CommandLine.Read(args, out ExitCode exitCode);
        Assert.True(options is null || (options.Verb == Verb.Check && args.Contains("check")));
        Assert.Equal(64, (int)exitCode);
    }

    private static Options Read(params string[] args)
    {
        Options? options = CommandLine.Read(args, out _);
        Assert.NotNull(options);
        return options;
    }
}
