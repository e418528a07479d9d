namespace ConnMgr.Config;

/// <summary>
/// Tells whether an earlier run has left the device locked. The scripts record this in the run directory,
/// until `unlock` or a reboot removes the record.
/// </summary>
internal static class OldLockdown
{
    /// <summary>
    /// What such a lockdown means while no daemon opens the addresses of the cloud, and how to end it.
    /// </summary>
    public const string Words =
        "locked by an earlier start, and no daemon opens the addresses of the cloud: 'connmgr unlock' "
        + "unlocks";

    /// <summary>
    /// `locked`: init_firewall.sh has locked the device. `policies`, `closed`: a failed lockdown has closed
    /// it, by iptables or by nft.
    /// </summary>
    private static readonly string[] Marks = ["locked", "policies", "closed"];

    /// <summary>True if a lockdown is recorded and has not been removed.</summary>
    public static bool IsRecorded(string runDirectory)
    {
        foreach (string mark in Marks)
        {
            if (File.Exists(Path.Combine(runDirectory, mark)))
            {
                return true;
            }
        }
        return false;
    }
}
