using ConnMgr.Dns;

namespace ConnMgr.Tests.Dns;

public class DnsWatchTests
{
    private const string Addresses = "echo.afero.io 198.51.100.1/60 198.51.100.2/60";

    private readonly WatchRig _rig = new();

    [Fact]
    public void An_answer_to_a_question_is_handed_over_once()
    {
        _rig.Ask();
        Assert.Equal(DnsVerdict.Answer, _rig.Reply());
        Assert.Equal([Addresses], _rig.Answers);
        Assert.Equal(DnsVerdict.Unasked, _rig.Reply());
        Assert.Single(_rig.Answers);
    }
}
