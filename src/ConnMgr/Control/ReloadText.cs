namespace ConnMgr.Control;

/// <summary>What a reload has to say. Pure.</summary>
internal static class ReloadText
{
    public static void Write(bool isDone, List<string> said, bool isText, Utf8Text text)
    {
        JsonWriter json = new(text);
        if (!isText)
        {
            json.Open('{').Name("schema").Value(StatusJson.Version).Name("done").Value(isDone).Name("said").Open('[');
        }
        foreach (string line in said)
        {
            if (isText)
            {
                text.Add(line).Add('\n');
            }
            else
            {
                json.Value(line);
            }
        }
        if (!isText)
        {
            json.Close(']').Close('}');
            text.Add('\n');
        }
    }
}
