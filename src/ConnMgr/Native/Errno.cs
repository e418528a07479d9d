using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ConnMgr.Native;

/// <summary>
/// The error numbers that callers distinguish (&lt;asm-generic/errno.h&gt;), and helpers for failed calls.
/// </summary>
internal static class Errno
{
    public const int EPERM = 1;
    public const int ENOENT = 2;
    public const int ESRCH = 3;
    public const int EINTR = 4;
    public const int EAGAIN = 11;
    public const int ENOMEM = 12;
    public const int EACCES = 13;
    public const int EEXIST = 17;
    public const int ENODEV = 19;
    public const int EINVAL = 22;
    public const int ENFILE = 23;
    public const int EMFILE = 24;
    public const int EPIPE = 32;
    public const int EOPNOTSUPP = 95;
    public const int ENETDOWN = 100;
    public const int ENETUNREACH = 101;
    public const int ENOBUFS = 105;
    public const int EHOSTUNREACH = 113;
    public const int EINPROGRESS = 115;
    public const int ESTALE = 116;

    /// <summary>The error number of the last libc call on this thread.</summary>
    public static int Last => Marshal.GetLastPInvokeError();

    /// <summary>Returns the text of an error number, e.g. `No such device`.</summary>
    public static string Text(int errno) => Marshal.GetPInvokeErrorMessage(errno);

    /// <summary>
    /// True for a temporary error: too little memory or too few descriptors now, or a signal. It does not
    /// mean that the kernel lacks a feature.
    /// </summary>
    public static bool IsShortage(int errno) => errno is EINTR or ENOMEM or ENFILE or EMFILE or ENOBUFS;

    /// <summary>
    /// Throws if the error is temporary (<see cref="IsShortage"/>). Use it for a feature that the daemon
    /// tries only at its start: otherwise it would run without the feature until it exits. Instead it exits
    /// now, and init restarts it.
    /// </summary>
    public static void ThrowIfShortage(int errno, string call)
    {
        if (IsShortage(errno))
        {
            Throw(errno, call);
        }
    }

    /// <summary>
    /// For calls that must succeed: returns the result, or throws an exception that names the call.
    /// </summary>
    public static int Check(int result, [CallerArgumentExpression(nameof(result))] string call = "")
    {
        if (result < 0)
        {
            Throw(Last, call);
        }
        return result;
    }

    /// <summary>
    /// Throws the same exception as <see cref="Check(int, string)"/>, for a given error number.
    /// </summary>
    [DoesNotReturn]
    public static void Throw(int errno, string call) =>
        throw new Win32Exception(errno, $"{CallName(call)}: {Text(errno)}");

    private static string CallName(string expression)
    {
        int end = expression.IndexOf('(', StringComparison.Ordinal);
        string name = end < 0 ? expression : expression[..end];
        return name[(name.LastIndexOf('.') + 1)..];
    }
}
