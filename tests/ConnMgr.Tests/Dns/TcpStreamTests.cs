using ConnMgr.Dns;
using CsCheck;

namespace ConnMgr.Tests.Dns;

public class TcpStreamTests
{
    /// <summary>
    /// A stream cut in any way, with pieces reordered, repeated and overlapping, comes out unchanged.
    /// </summary>
    [Fact]
    public void Segments_in_any_order_give_the_stream()
    {
        Gen<(int Start, int Length)[]> extra = Gen.Select(Gen.Int[0, 2000], Gen.Int[0, 300]).Array[0, 4];
        Gen.Select(Gen.Int[1, 2000], Gen.Int[1, 500], Gen.UInt, extra, Gen.Int[0, 1000], Gen.Int[1, 9])
            .Sample(
            (size, largest, isn, repeats, seed, step) =>
            {
                byte[] bytes = [.. Enumerable.Range(0, size).Select(i => (byte)(i * 7 + i / 251))];
                List<(int Start, int Length)> segments = [];
                for (int at = 0; at < size; at += largest)
                {
                    segments.Add((at, Math.Min(largest, size - at)));
                }
                segments.AddRange(repeats.Where(one => one.Start < size)
                    .Select(one => (one.Start, Math.Min(one.Length, size - one.Start))));
                // Reorder only so far that the number of gaps stays within the limit.
                (int Start, int Length)[] order =
                    [.. segments.Select((one, i) => (one, Key: (i + ((seed * (i + 1)) % step)) * 100 + i))
                    .OrderBy(one => one.Key).Select(one => one.one)];

                TcpStream stream = new();
                stream.Start(isn);
                List<byte> read = [];
                foreach ((int start, int length) in order)
                {
                    ReadOnlySpan<byte> available = stream.Accept(
                        isn + 1 + (uint)start, bytes.AsSpan(start, length));
                    if (!available.IsEmpty)
                    {
                        // Sometimes leave bytes for the next call.
                        int taken = available.Length - (available.Length % 3 == 1 ? 1 : 0);
                        read.AddRange(available[..taken]);
                        stream.Advance(taken, available);
                    }
                }
                Assert.False(stream.IsLost);
                Assert.True(read.Count >= size - 1, $"{read.Count} of {size}");
                Assert.Equal(bytes[..read.Count], read);
            },
            iter: 20_000);
    }

    [Fact]
    public void No_segments_whatever_do_harm() =>
        Gen.Select(Gen.Int[-70_000, 140_000], Gen.Int[0, 3000], Gen.Int[0, 3000]).Array[1, 60].Sample(
            segments =>
            {
                TcpStream stream = new();
                stream.Start(0xffff_0000);
                byte[] bytes = new byte[3000];
                foreach ((int at, int length, int taken) in segments)
                {
                    ReadOnlySpan<byte> available = stream.Accept(
                        0xffff_0001 + (uint)at, bytes.AsSpan(0, length));
                    if (!available.IsEmpty)
                    {
                        stream.Advance(Math.Min(taken, available.Length), available);
                    }
                    Assert.InRange(stream.Size, 0, TcpStream.MaxWindow);
                }
            },
            iter: 5_000);

    [Fact]
    public void More_gaps_than_are_allowed_lose_it()
    {
        TcpStream stream = new();
        stream.Start(0);
        for (int i = 0; i < TcpStream.MaxGaps; i++)
        {
            Assert.True(stream.Accept(1 + 10 * (uint)(i + 1), [1]).IsEmpty);
            Assert.False(stream.IsLost);
        }
        _ = stream.Accept(1 + 5, [1]);
        Assert.True(stream.IsLost);
        Assert.Equal(0, stream.Size);
    }

    [Theory]
    [InlineData(TcpStream.MaxWindow - 1, false)]
    [InlineData(TcpStream.MaxWindow, true)]
    [InlineData(int.MaxValue - 1, true)]
    public void More_than_two_messages_ahead_loses_it(int at, bool isLost)
    {
        TcpStream stream = new();
        stream.Start(0);
        _ = stream.Accept(1 + (uint)at, [1]);
        Assert.Equal(isLost, stream.IsLost);
    }
}
