namespace ConnMgr.Probe;
internal sealed record EchoService(string Host, int Port)
{
    public static bool TryParse(string text, out EchoService value, out string error)
    {
        value = null!; error = "";
        int colon = text.LastIndexOf(':');
        int port = 80;
        string host = text;
        if (colon > 0 && text.IndexOf(':') == colon)
        {
            host = text[..colon];
            if (!int.TryParse(text.AsSpan(colon + 1), out port)) { error = "bad port"; return false; }
        }
        value = new EchoService(host, port);
        return true;
    }
}
