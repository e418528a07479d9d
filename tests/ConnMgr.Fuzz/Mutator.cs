namespace ConnMgr.Fuzz;

/// <summary>
/// Random changes of known inputs, for the unit tests, which have no AFL++. The same seed makes the same
/// inputs.
/// </summary>
/// <param name="corpus">The known inputs; at least one.</param>
/// <param name="seed">Decides all choices.</param>
internal sealed class Mutator(IReadOnlyList<byte[]> corpus, int seed)
{
    private const int MostChanges = 6;

    private static readonly byte[] Interesting = [0, 1, 2, 4, 0x10, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff];

    private readonly Random _random = new(seed);

    /// <summary>Returns a changed copy of one of the inputs.</summary>
    public byte[] Next()
    {
        List<byte> bytes = [.. corpus[_random.Next(corpus.Count)]];
        for (int i = 1 + _random.Next(MostChanges); i > 0; i--)
        {
            Change(bytes);
        }
        return bytes.Count <= Target.LongestInput ? [.. bytes] : [.. bytes[..Target.LongestInput]];
    }

    private void Change(List<byte> bytes)
    {
        int at = _random.Next(bytes.Count + 1);
        int length = Math.Min(1 << _random.Next(6), bytes.Count - at);
        switch (_random.Next(8))
        {
            case 0:
                bytes.Insert(at, (byte)_random.Next(256));
                break;
            case 1:
                bytes.RemoveRange(at, length);
                break;
            case 2: // repeat a part
                bytes.InsertRange(at, bytes.GetRange(at, length));
                break;
            case 3: // a part of another input
                byte[] other = corpus[_random.Next(corpus.Count)];
                int from = _random.Next(other.Length + 1);
                int most = Math.Min(1 << _random.Next(7), other.Length - from);
                bytes.InsertRange(at, other.AsSpan(from, most));
                break;
            case 4:
                bytes.RemoveRange(at, bytes.Count - at);
                break;
            case 5 when at < bytes.Count:
                bytes[at] = Interesting[_random.Next(Interesting.Length)];
                break;
            case 6 when at < bytes.Count:
                bytes[at] = (byte)(bytes[at] + _random.Next(-4, 5));
                break;
            default:
                if (at < bytes.Count)
                {
                    bytes[at] ^= (byte)(1 << _random.Next(8));
                }
                break;
        }
    }
}
