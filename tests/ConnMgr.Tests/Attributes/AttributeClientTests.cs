using System.Net.Sockets;
using ConnMgr.Attributes;
using ConnMgr.EventLoop;
using ConnMgr.Logging;
using Attribute = ConnMgr.Attributes.Attribute;

namespace ConnMgr.Tests.Attributes;

/// <summary>The client on the real loop, against a minimal attrd. The lab tests use a complete one.</summary>
public sealed class AttributeClientTests : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), $"connmgr-{Guid.NewGuid():N}");
    private readonly Loop _loop = new();
    private readonly Log _log = new(LogTarget.Stderr, LogLevel.Error);

    public void Dispose()
    {
        _loop.Dispose();
        _log.Dispose();
        File.Delete(_path);
    }

    [Fact]
    public async Task Opens_publishes_and_answers_a_get_byte_for_byte()
    {
        Gateway gateway = new() { NetworkType = 1 };
        AttributeTable table = new(gateway, [Attribute.Int8(70000, "own", () => 5)]);
        Task<string> attrd = Task.Run(Attrd, TestContext.Current.CancellationToken);
        SpinWait.SpinUntil(() => File.Exists(_path));
        using AttributeClient client = Client(table);
        client.Publish();
        Deadline look = _loop.AddTimer(() => { });
        _loop.Run(() =>
        {
            if (attrd.IsCompleted)
            {
                _loop.Stop();
            }
            look.Set(Now() + TimeSpan.FromMilliseconds(5));
        });
        Assert.Equal(
            "open 0016900000000B4950432E434F4E4E4D4752A0000000, get 000C900000A0000000000105", await attrd);
        Assert.Contains("attrd: connected", _log.Events.Events.Select(said => said.Text));
    }

    [Fact]
    public async Task A_get_waits_until_the_value_is_known()
    {
        sbyte? value = null;
        int wanted = 0;
        AttributeTable table = new(
            new Gateway(),
            [Attribute.Int8(70000, "own", () => value, isNotify: true, wanted: () => wanted++)]);
        Task<string> attrd = Task.Run(Attrd, TestContext.Current.CancellationToken);
        SpinWait.SpinUntil(() => File.Exists(_path));
        using AttributeClient client = Client(table);
        Deadline look = _loop.AddTimer(() => { });
        _loop.Run(() =>
        {
            client.Publish();
            if (attrd.IsCompleted)
            {
                _loop.Stop();
            }
            value = wanted > 0 ? (sbyte)7 : null; // for the next call
            look.Set(Now() + TimeSpan.FromMilliseconds(5));
        });
        Assert.EndsWith("get 000C900000A0000000000107", await attrd);
        Assert.Equal(1, wanted);
    }

    [Fact]
    public void Attrd_that_is_not_there_is_said_once_and_harms_nobody()
    {
        using AttributeClient client = Client(new AttributeTable(new Gateway()));
        Deadline end = _loop.AddTimer(_loop.Stop);
        end.Set(Now() + TimeSpan.FromSeconds(1.5));
        _loop.Run(() => { });
        Event said = Assert.Single(_log.Events.Events);
        Assert.Equal(
            ("attrd: cannot connect (No such file or directory), retrying", 1), (said.Text, said.Times));
        Assert.False(client.IsOpen);
    }

    private AttributeClient Client(AttributeTable table) => new(_loop, _log, _path, table);

    /// <summary>
    /// Plays attrd: accepts, answers the open message, gets attribute 70000, returns what it received.
    /// </summary>
    private string Attrd()
    {
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(_path));
        listener.Listen();
        using Socket owner = listener.Accept();
        byte[] open = Receive(owner);
        // The answer to the open message: the same id, status 0.
        owner.Send([open[0], (byte)(open[1] & 0x7f), 5, 0, 13, 0, 0, 0, 0, 5, 0x90, 0, 0]);
        // A get: u8 3, u32 70000, u16 1, request 9.
        owner.Send([9, 0x80, 5, 0, 23, 0, 0, 0, 0, 15, 0x90, 0, 3, 0xb0, 0, 0, 1, 0x11, 0x70, 0xa0, 0, 0, 1]);
        byte[] answer = Receive(owner);
        while (answer[0] != 9 || answer[1] != 0)
        {
            answer = Receive(owner); // what is published
        }
        return $"open {Convert.ToHexString(open.AsSpan(8))}, get {Convert.ToHexString(answer.AsSpan(8))}";
    }

    private static byte[] Receive(Socket socket)
    {
        byte[] header = Exactly(socket, 8);
        return [.. header, .. Exactly(socket, BitConverter.ToUInt16(header, 4) - 8)];
    }

    private static byte[] Exactly(Socket socket, int size)
    {
        byte[] bytes = new byte[size];
        for (int got = 0; got < size;)
        {
            int count = socket.Receive(bytes, got, size - got, SocketFlags.None);
            Assert.True(count > 0, "the client closed");
            got += count;
        }
        return bytes;
    }

    private static TimeSpan Now() => TimeProvider.System.GetElapsedTime(0);
}
