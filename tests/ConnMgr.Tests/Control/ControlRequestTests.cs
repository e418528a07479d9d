using System.Text;
using ConnMgr.Control;

namespace ConnMgr.Tests.Control;

public class ControlRequestTests
{
    [Fact]
    public void Verb_and_words_are_read()
    {
        Assert.Equal(new ControlRequest(ControlVerb.Status, false, false, false, false), Read("status"));
        Assert.Equal(
            new ControlRequest(ControlVerb.Status, true, true, false, true), Read("status text color exit"));
        Assert.Equal(
            new ControlRequest(ControlVerb.Events, false, false, true, false), Read("events follow"));
        Assert.Equal(new ControlRequest(ControlVerb.Metrics, false, false, false, false), Read("metrics"));
        Assert.True(Read("metrics text openmetrics")!.Value.IsOpenMetrics);
        Assert.Equal(new ControlRequest(ControlVerb.Reload, true, false, false, false), Read("reload text"));
    }

    [Fact]
    public void Settings_are_read()
    {
        Assert.Equal("wlan0", Read("status link=wlan0 text")!.Value.Link);
        Assert.Equal(20, Read("events last=20 follow")!.Value.Last);
        Assert.Equal(600, Read("events seconds=600")!.Value.Seconds);
        ControlRequest use = Read("use link=wwan0 seconds=60")!.Value;
        Assert.Equal((ControlVerb.Use, "wwan0", 60), (use.Verb, use.Link, use.Seconds));
        Assert.Null(Read("use")!.Value.Link);
    }

    [Theory]
    [InlineData("status link=")]
    [InlineData("status link=a/b")]
    [InlineData("status link=a-name-that-is-too-long")]
    [InlineData("status last=1")]
    [InlineData("events link=eth0")]
    [InlineData("events last=0")]
    [InlineData("events last=-1")]
    [InlineData("events last=1x")]
    [InlineData("events seconds=99999999999999999999")]
    [InlineData("use seconds=5")]
    [InlineData("")]
    [InlineData(" status")]
    [InlineData("status ")]
    [InlineData("status  text")]
    [InlineData("stat")]
    [InlineData("statuses")]
    [InlineData("STATUS")]
    [InlineData("status follow")]
    [InlineData("status openmetrics")]
    [InlineData("status\r")]
    [InlineData("reload /etc/passwd")]
    public void Everything_else_is_refused(string line) => Assert.Null(Read(line));

    private static ControlRequest? Read(string line) =>
        ControlRequest.TryParse(Encoding.UTF8.GetBytes(line), out ControlRequest request) ? request : null;
}
