namespace ConnMgr.Cli;

/// <summary>Exit statuses, as in sysexits.h.</summary>
internal enum ExitCode
{
    /// <summary>Stopped as asked.</summary>
    Ok = 0,

    /// <summary>
    /// `route`: the link did not get in front; `probe`: it is not confirmed; `status`: no link is.
    /// </summary>
    Failed = 1,

    /// <summary>`status`: no link is confirmed, but a metered one is assumed to work.</summary>
    Assumed = 2,

    /// <summary>EX_USAGE: bad command line.</summary>
    Usage = 64,

    /// <summary>EX_UNAVAILABLE: no daemon to talk to.</summary>
    Unavailable = 69,

    /// <summary>EX_SOFTWARE: a mistake of our own.</summary>
    Software = 70,

    /// <summary>EX_OSERR: the kernel or a tool refused something; the device could not be locked.</summary>
    OsError = 71,

    /// <summary>EX_NOPERM: a capability is missing.</summary>
    NoPermission = 77,

    /// <summary>EX_CONFIG: bad configuration, or what the lockdown needs is not installed.</summary>
    Config = 78,
}
