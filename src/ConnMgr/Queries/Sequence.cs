namespace ConnMgr.Queries;

/// <summary>
/// The few queries over sequences that connmgr needs, with the same meaning as in System.Linq. The compiler
/// generates code for each value type, and System.Linq has a dozen classes for each Select or Where: together
/// 5 % of the executable. Here each query is one class.
/// </summary>
internal static class Sequence
{
    /// <summary>
    /// Returns the result of <paramref name="choose"/> for each item, lazily and in order.
    /// </summary>
    public static IEnumerable<TResult> Select<T, TResult>(this IEnumerable<T> items, Func<T, TResult> choose)
    {
        foreach (T item in items)
        {
            yield return choose(item);
        }
    }

    /// <summary>The items that <paramref name="accept"/> accepts, lazily and in order.</summary>
    public static IEnumerable<T> Where<T>(this IEnumerable<T> items, Func<T, bool> accept)
    {
        foreach (T item in items)
        {
            if (accept(item))
            {
                yield return item;
            }
        }
    }

    /// <summary>
    /// Returns the items of all sequences that <paramref name="open"/> returns for the items, lazily and
    /// in order.
    /// </summary>
    public static IEnumerable<TResult> SelectMany<T, TResult>(
        this IEnumerable<T> items,
        Func<T, IEnumerable<TResult>> open)
    {
        foreach (T item in items)
        {
            foreach (TResult inner in open(item))
            {
                yield return inner;
            }
        }
    }

    /// <summary>The items of both sequences, lazily and in order.</summary>
    public static IEnumerable<T> Concat<T>(this IEnumerable<T> first, IEnumerable<T> second)
    {
        foreach (T item in first)
        {
            yield return item;
        }
        foreach (T item in second)
        {
            yield return item;
        }
    }

    /// <summary>The items up to the first that <paramref name="accept"/> refuses, lazily.</summary>
    public static IEnumerable<T> TakeWhile<T>(this IEnumerable<T> items, Func<T, bool> accept)
    {
        foreach (T item in items)
        {
            if (!accept(item))
            {
                yield break;
            }
            yield return item;
        }
    }

    /// <summary>The first <paramref name="count"/> items, or all if there are fewer, lazily.</summary>
    public static IEnumerable<T> Take<T>(this IEnumerable<T> items, int count)
    {
        if (count <= 0)
        {
            yield break;
        }
        foreach (T item in items)
        {
            yield return item;
            if (--count == 0)
            {
                yield break;
            }
        }
    }

    /// <summary>Each item once, where it comes first.</summary>
    public static IEnumerable<T> Distinct<T>(this IEnumerable<T> items)
    {
        HashSet<T> seen = [];
        foreach (T item in items)
        {
            if (seen.Add(item))
            {
                yield return item;
            }
        }
    }

    /// <summary>
    /// The items ordered by their keys, the smallest first. Items with equal keys keep their order.
    /// </summary>
    public static List<T> OrderBy<T>(this IEnumerable<T> items, Func<T, long> keyOf)
    {
        List<T> ordered = [];
        List<long> keys = [];
        foreach (T item in items)
        {
            long key = keyOf(item);
            int from = 0;
            int to = keys.Count; // insert between `from` and `to`, after all equal keys
            while (from < to)
            {
                int middle = (from + to) / 2;
                (from, to) = keys[middle] <= key ? (middle + 1, to) : (from, middle);
            }
            keys.Insert(to, key);
            ordered.Insert(to, item);
        }
        return ordered;
    }

    /// <summary>True if <paramref name="accept"/> accepts at least one item.</summary>
    public static bool Any<T>(this IEnumerable<T> items, Func<T, bool> accept)
    {
        foreach (T item in items)
        {
            if (accept(item))
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>True if <paramref name="accept"/> accepts all items.</summary>
    public static bool All<T>(this IEnumerable<T> items, Func<T, bool> accept)
    {
        foreach (T item in items)
        {
            if (!accept(item))
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>True if <paramref name="wanted"/> is among the items.</summary>
    public static bool Contains<T>(this IEnumerable<T> items, T wanted)
    {
        foreach (T item in items)
        {
            if (EqualityComparer<T>.Default.Equals(item, wanted))
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>The first item that <paramref name="accept"/> accepts, or the type's default.</summary>
    public static T? FirstOrDefault<T>(this IEnumerable<T> items, Func<T, bool> accept)
    {
        foreach (T item in items)
        {
            if (accept(item))
            {
                return item;
            }
        }
        return default;
    }

    /// <summary>The first item, or the type's default.</summary>
    public static T? FirstOrDefault<T>(this IEnumerable<T> items)
    {
        foreach (T item in items)
        {
            return item;
        }
        return default;
    }

    /// <summary>The number of items.</summary>
    public static int Count<T>(this IEnumerable<T> items)
    {
        int count = 0;
        foreach (T _ in items)
        {
            count++;
        }
        return count;
    }

    /// <summary>True if both have equal items in the same order.</summary>
    public static bool SequenceEqual<T>(this IReadOnlyList<T> left, IReadOnlyList<T> right)
    {
        if (left.Count != right.Count)
        {
            return false;
        }
        for (int i = 0; i < left.Count; i++)
        {
            if (!EqualityComparer<T>.Default.Equals(left[i], right[i]))
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>The items in a new list.</summary>
    public static List<T> ToList<T>(this IEnumerable<T> items)
    {
        List<T> list = [];
        foreach (T item in items)
        {
            list.Add(item);
        }
        return list;
    }

    /// <summary>The items in a new array.</summary>
    public static T[] ToArray<T>(this IEnumerable<T> items)
    {
        return items.ToList().ToArray();
    }
}
