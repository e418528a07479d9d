using System.Buffers.Binary;
using System.Net.Sockets;

namespace ConnMgr.Tests.Attributes;

/// <summary>A minimal attrd with one client, whose attributes it gets.</summary>
internal sealed class FakeAttrd(string path) : IDisposable
{
    private readonly Socket _listener = Listen(path);
    private Socket? _owner;

    private static Socket Listen(string path)
    {
        Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        return listener;
    }

    /// <summary>Accepts the client and its open message.</summary>
    public void Accept()
    {
        _owner = _listener.Accept();
        _owner.ReceiveTimeout = 60_000; // otherwise a failed test could not close it
        byte[] open = Receive();
        // The answer to the open message: the same id, status 0.
        _owner.Send([open[0], (byte)(open[1] & 0x7f), 5, 0, 13, 0, 0, 0, 0, 5, 0x90, 0, 0]);
    }

    /// <summary>Gets an attribute, and returns the value in hexadecimal. Blocks until it is there.</summary>
    public string Get(uint id)
    {
        byte[] number = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(number, id);
        // u8 3, u32 the attribute, u16 1, request 9.
        _owner!.Send([9, 0x80, 5, 0, 23, 0, 0, 0, 0, 15, 0x90, 0, 3, 0xb0, 0, .. number, 0xa0, 0, 0, 1]);
        byte[] answer = Receive();
        while (answer[0] != 9 || answer[1] != 0)
        {
            answer = Receive(); // what is published
        }
        Assert.Equal(0, answer[12]); // the status
        return Convert.ToHexString(answer.AsSpan(19));
    }

    private byte[] Receive()
    {
        byte[] header = Exactly(8);
        return [.. header, .. Exactly(BitConverter.ToUInt16(header, 4) - 8)];
    }

    private byte[] Exactly(int size)
    {
        byte[] bytes = new byte[size];
        for (int got = 0; got < size;)
        {
            int count = _owner!.Receive(bytes, got, size - got, SocketFlags.None);
            Assert.True(count > 0, "the client closed");
            got += count;
        }
        return bytes;
    }

    public void Dispose()
    {
        _listener.Dispose();
        _owner?.Dispose();
    }
}
