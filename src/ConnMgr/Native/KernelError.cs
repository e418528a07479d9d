namespace ConnMgr.Native;

/// <summary>
/// An expected error of the kernel, returned by value: the caller goes on without what it wanted, or retries. Errors
/// that nobody can outlive are thrown instead (<see cref="Errno.Check"/>).
/// </summary>
/// <param name="Number">errno; 0 is success.</param>
/// <param name="Call">The system call or request that failed, e.g. `nfqueue`; may be empty.</param>
/// <param name="Words">A subsystem's own words for the number; null: the ones of libc.</param>
internal readonly record struct KernelError(int Number, string Call = "", string? Words = null)
{
    /// <summary>Success.</summary>
    public static KernelError None => new(0);

    public bool IsNone => Number == 0;

    /// <summary>What failed and why, for the log. The text of <see cref="None"/> is empty.</summary>
    public override string ToString()
    {
        string words = Words ?? (IsNone ? "" : Errno.Text(Number));
        return string.IsNullOrEmpty(Call) || IsNone ? words : $"{Call}: {words}";
    }
}
