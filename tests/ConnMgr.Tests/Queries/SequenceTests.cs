using ConnMgr.Queries;

namespace ConnMgr.Tests.Queries;

public class SequenceTests
{
    [Fact]
    public void An_order_is_by_key_and_keeps_that_of_equal_keys()
    {
        Random random = new(1);
        for (int round = 0; round < 200; round++)
        {
            (long Key, int Place)[] items = new (long, int)[random.Next(40)];
            for (int i = 0; i < items.Length; i++)
            {
                items[i] = (random.Next(-4, 5), i);
            }
            Assert.Equal(
                Enumerable.OrderBy(items, item => item.Key), Sequence.OrderBy(items, item => item.Key));
        }
        Assert.Equal([long.MinValue, 0, long.MaxValue],
            Sequence.OrderBy([long.MaxValue, long.MinValue, 0], item => item));
    }

    [Fact]
    public void Queries_mean_what_those_of_the_library_mean()
    {
        int[][] lists = [[], [1], [3, 1, 3, 2, 1], [2, 2], [0, 7, 0]];
        foreach (int[] list in lists)
        {
            Assert.Equal(Enumerable.Select(list, i => i * 2), Sequence.Select(list, i => i * 2));
            Assert.Equal(Enumerable.Where(list, i => i > 1), Sequence.Where(list, i => i > 1));
            Assert.Equal(
                Enumerable.SelectMany(list, i => lists[i % 5]), Sequence.SelectMany(list, i => lists[i % 5]));
            Assert.Equal(Enumerable.TakeWhile(list, i => i != 2), Sequence.TakeWhile(list, i => i != 2));
            Assert.Equal(Enumerable.Distinct(list), Sequence.Distinct(list));
            Assert.Equal(Enumerable.Any(list, i => i == 2), Sequence.Any(list, i => i == 2));
            Assert.Equal(Enumerable.All(list, i => i > 0), Sequence.All(list, i => i > 0));
            Assert.Equal(Enumerable.Contains(list, 3), Sequence.Contains(list, 3));
            Assert.Equal(Enumerable.FirstOrDefault(list), Sequence.FirstOrDefault(list));
            Assert.Equal(
                Enumerable.FirstOrDefault(list, i => i > 1), Sequence.FirstOrDefault(list, i => i > 1));
            Assert.Equal(list.Length, Sequence.Count(list));
            Assert.Equal(list, Sequence.ToArray(list));
            foreach (int[] other in lists)
            {
                Assert.Equal(Enumerable.Concat(list, other), Sequence.Concat(list, other));
                Assert.Equal(Enumerable.SequenceEqual(list, other), Sequence.SequenceEqual(list, other));
            }
            for (int count = -1; count < 7; count++)
            {
                Assert.Equal(Enumerable.Take(list, count), Sequence.Take(list, count));
            }
        }
    }

    [Fact]
    public void A_query_reads_no_more_than_it_must()
    {
        static IEnumerable<int> ThreeThenFail()
        {
            yield return 1;
            yield return 2;
            yield return 3;
            throw new InvalidOperationException();
        }

        Assert.Equal([2, 3], Sequence.Where(Sequence.Take(ThreeThenFail(), 3), i => i > 1));
        Assert.True(Sequence.Any(ThreeThenFail(), i => i == 3));
        Assert.Equal(2, Sequence.FirstOrDefault(Sequence.Select(ThreeThenFail(), i => i * 2)));
    }
}
