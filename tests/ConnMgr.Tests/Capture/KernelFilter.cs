using System.Runtime.InteropServices;
using ConnMgr.Capture;
using ConnMgr.Native;
using Tmds.Linux;

namespace ConnMgr.Tests.Capture;

/// <summary>
/// Runs a BPF program in the kernel without root. Attached to one end of an AF_UNIX datagram socketpair, it
/// judges each datagram of the other end. Packet type, VLAN tag and protocol do not exist there: ancillary
/// loads give 0.
/// </summary>
internal sealed unsafe class KernelFilter : IDisposable
{
    private readonly int _sender;
    private readonly int _receiver;

    public KernelFilter(BpfInstruction[] program)
    {
        int* ends = stackalloc int[2];
        int type = LibC.SOCK_DGRAM | LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC;
        Errno.Check(LibC.socketpair(LibC.AF_UNIX, type, 0, ends));
        (_sender, _receiver) = (ends[0], ends[1]);
        Attach(_receiver, program);
    }

    public static void Attach(int fd, BpfInstruction[] program)
    {
        fixed (LibcExtra.sock_filter* filter = MemoryMarshal.Cast<BpfInstruction,
            LibcExtra.sock_filter>(program))
        {
            LibcExtra.sock_fprog fprog = new() { len = (ushort)program.Length, filter = filter };
            int size = sizeof(LibcExtra.sock_fprog);
            Errno.Check(LibC.setsockopt(fd, LibC.SOL_SOCKET, LibcExtra.SO_ATTACH_FILTER, &fprog, size));
        }
    }

    /// <summary>Returns how many bytes of the packet pass; -1 if the program drops it.</summary>
    public int Judge(ReadOnlySpan<byte> packet)
    {
        byte* buffer = stackalloc byte[2048];
        fixed (byte* bytes = packet)
        {
            Errno.Check((int)LibC.send(_sender, bytes, packet.Length, 0));
        }
        return (int)LibC.recv(_receiver, buffer, 2048, 0);
    }

    public void Dispose()
    {
        _ = LibC.close(_sender);
        _ = LibC.close(_receiver);
    }
}
