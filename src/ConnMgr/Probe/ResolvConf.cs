using System.Net;
using ConnMgr.Selection;
namespace ConnMgr.Probe;
internal static class ResolvConf
{
    public static IEnumerable<IPAddress> OfInterface(string text, LinkKind kind, string name) => [];
    public static IEnumerable<IPAddress> Remote(string text, Func<string> behindStub) => [];
}
