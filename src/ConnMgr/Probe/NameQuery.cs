using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using ConnMgr.EventLoop;
using ConnMgr.Native;
using Tmds.Linux;
using Timer = ConnMgr.EventLoop.Timer;

namespace ConnMgr.Probe;

internal sealed unsafe class NameQuery : IDisposable
{
    private readonly Loop _loop; private readonly int _fd; private readonly ulong _token; private readonly Action<NameQuery> _done; private bool _off;
    public NameQuery(Loop loop, Timer timer, Func<TimeSpan> clock, string device, EchoService service, bool isIpv6, IReadOnlyList<IPAddress> servers, Action<NameQuery> done)
    {
        _ = timer; _ = clock;
        _loop = loop; Service = service; _done = done;
        byte[] q = [.. (byte[])[1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], .. service.Host.Split('.').SelectMany(l => (byte[])[(byte)l.Length, .. Encoding.ASCII.GetBytes(l)]), 0, 0, isIpv6 ? (byte)28 : (byte)1, 0, 1];
        IPAddress s = servers[0];
        _fd = LinkSocket.Open(s.AddressFamily == AddressFamily.InterNetwork ? LibC.AF_INET : LibC.AF_INET6, LibC.SOCK_DGRAM, 0, device);
        _token = loop.Add(_fd, Read);
        LinkSocket.Connect(_fd, s, 53);
        fixed (byte* b = q) { _ = LibC.send(_fd, b, q.Length, 0); }
        _size = isIpv6 ? 16 : 4;
    }
    private readonly int _size;
    public EchoService Service { get; }
    public List<IPAddress> Addresses { get; } = [];
    public string Failure { get; private set; } = "";
    public bool HasEnded { get; private set; }
    private void Read()
    {
        byte* b = stackalloc byte[512];
        nint n = (nint)LibC.recv(_fd, b, 512, 0);
        ReadOnlySpan<byte> m = new(b, (int)Math.Max(0, n));
        HasEnded = true;
        for (int i = 12; i + 12 + _size <= m.Length; i++)
        {
            if (m[i] == 0xc0 && BinaryPrimitives.ReadUInt16BigEndian(m[(i + 10)..]) == _size && (m[i + 3] == 1 || m[i + 3] == 28)) { Addresses.Add(new IPAddress(m.Slice(i + 12, _size))); i += 11 + _size; }
        }
        Failure = "none";
        Dispose();
        _done(this);
    }
    public void Dispose() { if (!_off) { _off = true; _loop.Remove(_fd, _token); _ = LibC.close(_fd); } }
}
