using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.EventLoop;

/// <summary>
/// Delivers signals as events of the loop. native/signal_pipe.c explains why the runtime is not used.
/// </summary>
internal sealed class Signals : IDisposable
{
    private readonly Loop _loop;
    private readonly int _pipe;
    private readonly ulong _token;
    private readonly Action<int> _handler;

    /// <param name="loop">Watches the pipe of the signal handler.</param>
    /// <param name="handler">Called from the loop with the number of each signal.</param>
    /// <param name="signals">The signals to catch.</param>
    public unsafe Signals(Loop loop, Action<int> handler, params ReadOnlySpan<int> signals)
    {
        _loop = loop;
        _handler = handler;
        fixed (int* numbers = signals)
        {
            _pipe = Shim.connmgr_catch_signals(numbers, signals.Length);
        }
        if (_pipe < 0)
        {
            Errno.Throw(-_pipe, nameof(Shim.connmgr_catch_signals));
        }
        _token = loop.Add(_pipe, Read);
    }

    private unsafe void Read()
    {
        byte* numbers = stackalloc byte[64];
        nint count = (nint)LibC.read(_pipe, numbers, 64);
        for (nint i = 0; i < count; i++)
        {
            _handler(numbers[i]);
        }
    }

    public void Dispose()
    {
        _loop.Remove(_pipe, _token);
        _ = LibC.close(_pipe);
    }
}
