namespace ConnMgr.Cli;

/// <summary>Exit statuses, as in sysexits.h.</summary>
internal enum ExitCode
{
    /// <summary>Stopped as requested.</summary>
    Ok = 0,

    /// <summary>
    /// `route`: the link's route is not preferred; `probe`: the link is not confirmed; `status`: no link is.
    /// </summary>
    Failed = 1,

    /// <summary>`status`: no link is confirmed, but a metered one is assumed good.</summary>
    Assumed = 2,

    /// <summary>`status`: a link is confirmed, but the device is not locked: --audit is on.</summary>
    Audit = 3,

    /// <summary>EX_USAGE: bad command line.</summary>
    Usage = 64,

    /// <summary>EX_UNAVAILABLE: no daemon answers.</summary>
    Unavailable = 69,

    /// <summary>EX_SOFTWARE: an internal error.</summary>
    Software = 70,

    /// <summary>
    /// EX_OSERR: the kernel or a tool refused a request, or the device could not be locked.
    /// </summary>
    OsError = 71,

    /// <summary>EX_IOERR: standard output could not be written, e.g. to a full disk.</summary>
    IoError = 74,

    /// <summary>EX_NOPERM: a capability is missing.</summary>
    NoPermission = 77,

    /// <summary>
    /// EX_CONFIG: the configuration is bad, or a requirement of the lockdown is not installed.
    /// </summary>
    Config = 78,
}
