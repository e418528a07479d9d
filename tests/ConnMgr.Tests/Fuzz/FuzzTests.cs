using ConnMgr.Fuzz;

namespace ConnMgr.Tests.Fuzz;

/// <summary>
/// The targets of ConnMgr.Fuzz without AFL++: what is kept, and random changes of it, the same in each run.
/// `make fuzz` looks for new inputs.
/// </summary>
public class FuzzTests
{
    private const int Changes = 5000; // of each target: about 20 s in all
    private const int LargestCorpus = 300_000; // bytes of all targets

    public static TheoryData<string> Names => [.. ConnMgr.Fuzz.Program.Targets.Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void No_bytes_break_a_rule(string name)
    {
        Target target = Array.Find(ConnMgr.Fuzz.Program.Targets, target => target.Name == name)!;
        List<byte[]> corpus = Corpus.Of(target);
        Assert.NotEmpty(corpus);
        corpus.ForEach(bytes => Run(target, bytes));
        Mutator mutator = new(corpus, seed: 1);
        for (int i = 0; i < Changes; i++)
        {
            Run(target, mutator.Next());
        }
    }

    private static void Run(Target target, byte[] bytes)
    {
        try
        {
            target.Run(bytes);
        }
        catch (Exception exception)
        {
            string input = Convert.ToBase64String(bytes);
            Assert.Fail($"target {target.Name}, `echo {input} | base64 -d`: {exception}");
        }
    }

    [Fact]
    public void The_kept_inputs_are_few()
    {
        long size = 0;
        foreach (string file in ConnMgr.Fuzz.Program.Targets.SelectMany(Corpus.FilesOf))
        {
            long length = new FileInfo(file).Length;
            Assert.True(length <= Target.LongestInput, file);
            size += length;
        }
        Assert.InRange(size, 1, LargestCorpus);
    }

    [Fact]
    public void A_target_finds_what_breaks_a_rule()
    {
        Target throwing = new("x", bytes => _ = bytes[3]);
        Assert.Throws<IndexOutOfRangeException>(() => throwing.Run([1, 2, 3]));
        Target broken = new("x", bytes => BrokenRuleException.Unless(bytes.Length < 3, "rule"));
        broken.Run([1, 2]);
        Assert.Equal("rule", Assert.Throws<BrokenRuleException>(() => broken.Run([1, 2, 3])).Message);
        // A length that the bytes only claim.
        Target greedy = new("x", bytes => GC.KeepAlive(new byte[bytes[0] << 16]));
        greedy.Run([0]);
        Assert.Throws<BrokenRuleException>(() => greedy.Run([255]));
    }

    [Fact]
    public void Changes_are_the_same_in_each_run()
    {
        byte[][] corpus = [[1, 2, 3, 4], [5, 6]];
        Mutator one = new(corpus, 7);
        Mutator other = new(corpus, 7);
        Assert.All(Enumerable.Range(0, 1000), _ => Assert.Equal(one.Next(), other.Next()));
    }
}
