using System.ComponentModel;
using ConnMgr.App;
using ConnMgr.Cli;
using ConnMgr.Config;
using ConnMgr.Logging;
using ConnMgr.Native;
using ConnMgr.Probe;

TimeSpan startedAt = TimeProvider.System.GetElapsedTime(0);
if (CommandLine.Read(args, out ExitCode exitCode) is not { } options)
{
    return (int)exitCode;
}
LinkSocket.UseMarkBit(options.MarkBit);
if (options.Verb == Verb.Check)
{
    return (int)ConfigFiles.Check(options.ConfigDirectory);
}
if (options.Verb == Verb.Route)
{
    return (int)RouteRunner.Run(options);
}
if (options.Verb == Verb.Unlock)
{
    return (int)UnlockRunner.Run(options);
}
if (options.Verb == Verb.Probe)
{
    return (int)ProbeCommandRunner.Run(options);
}
if (options.Verb != Verb.Run)
{
    return (int)VerbClient.Run(options);
}

using Log log = new(options.LogTarget, options.LogLevel);
try
{
    return (int)Startup.Run(options, log, startedAt);
}
catch (Win32Exception exception)
{
    log.Error($"the kernel refused: {exception.Message}");
    bool isPermission = exception.NativeErrorCode is Errno.EPERM or Errno.EACCES;
    return (int)(isPermission ? ExitCode.NoPermission : ExitCode.OsError);
}
catch (Exception exception)
{
    // Init restarts the daemon, which recovers from any state.
    log.Error($"internal error: {exception}");
    return (int)ExitCode.Software;
}
