using ConnMgr.Dns;
using ConnMgr.Net;
using CsCheck;

namespace ConnMgr.Tests.Dns;

public class QuestionsTests
{
    private const int Capacity = 8;
    private static readonly NameHash Hash = new(3, 4);
    private static readonly DnsQuestion[] Names =
        [.. Enumerable.Range(0, 3).Select(i => ReplyText.Question($"n{i}.afero.io"))];

    /// <summary>
    /// After adds, answers and waits in any order the table holds the same as a plain list.
    /// </summary>
    [Fact]
    public void It_is_a_list_of_the_newest() =>
        Gen.Select(Gen.Int[0, 2], Gen.Int[0, 3], Gen.Int[0, 2], Gen.Int[0, 2], Gen.Int[0, 4000]).Array[1, 60]
        .Sample(
            steps =>
            {
                Questions questions = new(Capacity, Hash, Questions.Lifetime);
                List<(int Port, int Id, int Name, int Repeats, TimeSpan At)> model = [];
                TimeSpan now = TimeSpan.Zero;
                long evicted = 0;
                foreach ((int what, int port, int id, int name, int wait) in steps)
                {
                    Flow flow = new(default, default, (ushort)port, 53, IsTcp: false);
                    if (what == 0)
                    {
                        now += TimeSpan.FromMilliseconds(wait);
                    }
                    model.RemoveAll(one => now - one.At >= Questions.Lifetime);
                    int at = model.FindIndex(one => (one.Port, one.Id, one.Name) == (port, id, name));
                    Assert.Equal(at >= 0, questions.Find(flow, (ushort)id, Names[name], now) != 0);
                    Assert.Equal(model.Exists(one => (one.Port, one.Id) == (port, id)),
                        questions.Has(flow, (ushort)id, now));
                    if (what == 2 && at >= 0)
                    {
                        model[at] = model[at] with { Repeats = model[at].Repeats - 1 };
                        model.RemoveAll(one => one.Repeats == 0);
                        questions.Answer(questions.Find(flow, (ushort)id, Names[name], now));
                    }
                    else if (what < 2)
                    {
                        int repeats = at >= 0 ? Math.Min(model[at].Repeats + 1, 8) : 1;
                        if (at >= 0)
                        {
                            model.RemoveAt(at);
                        }
                        bool isFull = model.Count == Capacity;
                        if (isFull)
                        {
                            model.RemoveAt(0);
                            evicted++;
                        }
                        model.Add((port, id, name, repeats, now));
                        Assert.Equal(!isFull, questions.Add(flow, (ushort)id, Names[name], now));
                    }
                    Assert.Equal((model.Count, evicted), (questions.Count, questions.Evicted));
                }
            },
            iter: 20_000);

    /// <summary>Test vectors from the appendix of the SipHash paper and from its reference program.</summary>
    [Theory]
    [InlineData(0, 0x726fdb47dd0e0e31)]
    [InlineData(8, 0x93f5f5799a932462)]
    [InlineData(15, 0xa129ca6149be45e5)]
    public void The_hash_is_SipHash(int length, ulong hash)
    {
        byte[] bytes = [.. Enumerable.Range(0, length).Select(i => (byte)i)];
        Assert.Equal(hash, new NameHash(0x0706050403020100, 0x0f0e0d0c0b0a0908).Of(bytes));
    }
}
