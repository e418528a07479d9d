using ConnMgr.EventLoop;
using ConnMgr.Scripts;

namespace ConnMgr.Tests.Scripts;

public class ScriptLaneTests
{
    /// <summary>The handler of the first run requests a third run while a second one is waiting.</summary>
    [Fact]
    public void A_request_made_when_a_script_ends_replaces_the_one_that_waited()
    {
        using Loop loop = new();
        using ScriptLane lane = new(loop, ["PATH=/usr/bin:/bin"]);
        List<string> ended = [];
        Run("1", () => Run("3", () => loop.Stop()));
        Run("2", () => { });
        using Deadline limit = loop.AddTimer(() => throw new TimeoutException());
        limit.Set(loop.Now + TimeSpan.FromSeconds(60));
        loop.Run(() => { });
        Assert.Equal(["1", "3"], ended);
        Assert.False(lane.IsBusy);

        void Run(string word, Action then) => lane.Run(["/bin/echo", word], exit =>
        {
            ended.Add(exit.Output.Trim());
            then();
        });
    }

    [Fact]
    public void Of_several_that_wait_the_newest_runs()
    {
        using Loop loop = new();
        using ScriptLane lane = new(loop, ["PATH=/usr/bin:/bin"]);
        List<string> ended = [];
        foreach (string word in (string[])["1", "2", "3"])
        {
            lane.Run(["/bin/echo", word], exit =>
            {
                ended.Add(exit.Output.Trim());
                if (ended.Count == 2)
                {
                    loop.Stop();
                }
            });
        }
        using Deadline limit = loop.AddTimer(() => throw new TimeoutException());
        limit.Set(loop.Now + TimeSpan.FromSeconds(60));
        loop.Run(() => { });
        Assert.Equal(["1", "3"], ended);
    }
}
