using System.ComponentModel;
using ConnMgr.App;
using ConnMgr.Cli;
using ConnMgr.Config;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Probe;

StandardOutput.Reserve();
TimeSpan startedAt = TimeProvider.System.GetElapsedTime(0);
ServiceOptions? service = null; // of `check` without options of its own
if (args is ["check"])
{
    service = ServiceOptions.Read();
    foreach (string fault in service.Faults)
    {
        StandardOutput.Line(fault);
    }
    if (service.Words is not { } words)
    {
        return End(ExitCode.Config);
    }
    if (words.Length > 0)
    {
        StandardOutput.Line($"{service.Source}: checking with {string.Join(' ', words)}");
    }
    args = ["check", .. words];
}
if (CommandLine.Read(args, out ExitCode exitCode) is not { } options)
{
    return End(exitCode);
}
options = WithServiceOptions(args, options);
LinkSocket.UseMarkBit(options.MarkBit);
if (options.Verb
    is Verb.Status or Verb.Events or Verb.Metrics or Verb.Audit or Verb.Reload or Verb.Use
        or Verb.WaitOnline or Verb.Probe)
{
    options = options with { RunDirectory = RunDirectoryPointer.Find(options) };
}
if (options.Verb != Verb.Run)
{
    try
    {
        exitCode = options.Verb switch
        {
            Verb.Check => CheckRunner.Run(options, hasWrongOptions: exitCode == ExitCode.Usage),
            Verb.Route => RouteRunner.Run(options),
            Verb.Unlock => UnlockRunner.Run(options),
            Verb.Probe => ProbeCommandRunner.Run(options),
            Verb.WaitOnline => VerbClient.WaitOnline(options),
            _ => VerbClient.Run(options),
        };
        return End(service is { Faults.Count: > 0 } && exitCode == ExitCode.Ok ? ExitCode.Config : exitCode);
    }
    catch (Win32Exception exception)
    {
        StandardOutput.Complain($"connmgr: the kernel refused: {exception.Message}");
        return (int)ExitCode.OsError;
    }
}

using Log log = new(options.LogTarget, options.LogLevel);
try
{
    return (int)Startup.Run(options, log, startedAt);
}
catch (Win32Exception exception)
{
    log.Fatal($"the kernel refused: {exception.Message}");
    bool isPermission = exception.NativeErrorCode is Errno.EPERM or Errno.EACCES;
    return (int)(isPermission ? ExitCode.NoPermission : ExitCode.OsError);
}
catch (Exception exception)
{
    // Init restarts the daemon, which recovers from any state.
    log.Fatal($"internal error: {exception}");
    return (int)ExitCode.Software;
}

// A truncated report must not end with the status of a complete one. A reader that closes the pipe has
// read what it needs.
static int End(ExitCode exitCode)
{
    if (StandardOutput.Failure is 0 or Errno.EPIPE)
    {
        return (int)exitCode;
    }
    StandardOutput.Complain(
        $"connmgr: cannot write to standard output: {Errno.Text(StandardOutput.Failure)}");
    return (int)ExitCode.IoError;
}

// `probe`, `route` and `unlock` act like the daemon: they use the options of the service, except those
// that the command line gives. They also work without the options of the service: a device with a bad file
// must still be unlocked.
static Options WithServiceOptions(string[] args, Options options)
{
    bool needs = options.Verb switch
    {
        Verb.Probe => true,
        Verb.Route => !options.HasConfigDirectory || !options.HasRunDirectory,
        Verb.Unlock => !options.HasRunDirectory || !options.HasScriptDirectory,
        _ => false,
    };
    if (!needs)
    {
        return options;
    }
    ServiceOptions service = ServiceOptions.Read();
    foreach (string fault in service.Faults)
    {
        StandardOutput.Complain($"connmgr: {fault}");
    }
    if (service.Words is not { Length: > 0 } words)
    {
        return options;
    }
    if (CommandLine.Read(words, out _) is not { Verb: Verb.Run } daemon)
    {
        StandardOutput.Complain($"connmgr: {service.Source}: its options are wrong, going on without them");
        return options;
    }
    if (options.Verb == Verb.Probe)
    {
        StandardOutput.Line($"{service.Source}: probing with {string.Join(' ', words)}");
    }
    return CommandLine.Read(args, out _, daemon) ?? options;
}
