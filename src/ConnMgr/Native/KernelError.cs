namespace ConnMgr.Native;

/// <summary>
/// An expected error of the kernel, returned by value: the caller continues without the result, or retries.
/// Fatal errors are thrown instead (<see cref="Errno.Check"/>).
/// </summary>
/// <param name="number">errno; 0 is success.</param>
/// <param name="call">The system call or request that failed, e.g. `nfqueue`; may be empty.</param>
/// <param name="words">A subsystem's own text for the number; null for the text of libc.</param>
internal readonly struct KernelError(int number, string call = "", string? words = null)
{
    private readonly string? _words = words;

    public int Number { get; } = number;

    public string Call { get; init; } = call;

    /// <summary>Success.</summary>
    public static KernelError None => new(0);

    public bool IsNone => Number == 0;

    /// <summary>
    /// Describes the failed call and the error, for the log. The text of <see cref="None"/> is empty.
    /// </summary>
    public override string ToString()
    {
        string said = _words ?? (IsNone ? "" : Errno.Text(Number));
        return string.IsNullOrEmpty(Call) || IsNone ? said : $"{Call}: {said}";
    }
}
