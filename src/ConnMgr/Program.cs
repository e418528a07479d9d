using System.ComponentModel;
using ConnMgr.App;
using ConnMgr.Cli;
using ConnMgr.Config;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Probe;

TimeSpan startedAt = TimeProvider.System.GetElapsedTime(0);
string badDefaults = "";
if (args is ["check"] && DefaultsFile.Read(out badDefaults) is { Length: > 0 } defaults)
{
    StandardOutput.Line($"{DefaultsFile.Path}: checking with {string.Join(' ', defaults)}");
    args = ["check", .. defaults];
}
if (badDefaults.Length > 0)
{
    StandardOutput.Complain(badDefaults);
    return End(ExitCode.Config);
}
if (CommandLine.Read(args, out ExitCode exitCode) is not { } options)
{
    return End(exitCode);
}
LinkSocket.UseMarkBit(options.MarkBit);
if (options.Verb
    is Verb.Status or Verb.Events or Verb.Metrics or Verb.Audit or Verb.Reload or Verb.Use
        or Verb.WaitOnline)
{
    options = options with { RunDirectory = RunDirectoryPointer.Find(options) };
}
if (options.Verb != Verb.Run)
{
    try
    {
        return End(options.Verb switch
        {
            Verb.Check => CheckRunner.Run(options),
            Verb.Route => RouteRunner.Run(options),
            Verb.Unlock => UnlockRunner.Run(options),
            Verb.Probe => ProbeCommandRunner.Run(options),
            Verb.WaitOnline => VerbClient.WaitOnline(options),
            _ => VerbClient.Run(options),
        });
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

// A report that was cut off must not end like a complete one. A reader that closes the pipe has enough.
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
