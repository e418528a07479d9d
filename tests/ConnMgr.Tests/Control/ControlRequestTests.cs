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
        Assert.Equal(new ControlRequest(ControlVerb.Reload, true, false, false, false), Read("reload text"));
    }

    [Theory]
    [InlineData("")]
    [InlineData(" status")]
    [InlineData("status ")]
    [InlineData("status  text")]
    [InlineData("stat")]
    [InlineData("statuses")]
    [InlineData("STATUS")]
    [InlineData("status follow")]
    [InlineData("status\r")]
    [InlineData("reload /etc/passwd")]
    public void Everything_else_is_refused(string line) => Assert.Null(Read(line));

    private static ControlRequest? Read(string line) =>
        ControlRequest.TryParse(Encoding.UTF8.GetBytes(line), out ControlRequest request) ? request : null;
}
