using ConnMgr.Control;
using ConnMgr.Dns;
using ConnMgr.Firewall;
using ConnMgr.Logging;

namespace ConnMgr.Status;

/// <summary>Writes the answer to `audit`.</summary>
internal static class AuditText
{
    private const int Unavailable = 69; // EX_UNAVAILABLE
    private const int Cut = 1;
    private const int Reserve = 1024; // bytes of the reply that are kept free for its last lines

    /// <summary>
    /// Returns the verb's exit status: 0; 1 if the lines for the whitelist had no room; or 69 if there is no
    /// audit.
    /// </summary>
    public static int Write(Lockdown? lockdown, in ControlRequest request, Utf8Text reply)
    {
        if (lockdown?.Audit is not { } audit)
        {
            reply.Add(request.IsText ? "no audit: the daemon runs without --audit\n" : "null\n");
            return Unavailable;
        }
        List<Row> rows = [];
        foreach (AuditEntry entry in audit.Table.Entries)
        {
            rows.Add(new Row(entry, lockdown.Services.CoverOf(entry)));
        }
        rows.Sort(static (a, b) => a.Cover != b.Cover ? a.Cover - b.Cover
            : a.Entry.Source != b.Entry.Source ? a.Entry.Source - b.Entry.Source
            : b.Entry.Count.CompareTo(a.Entry.Count));
        if (request.ListsWhitelist)
        {
            List<AuditEntry> open = [];
            foreach (Row row in rows)
            {
                if (row.Cover == AuditCover.None)
                {
                    open.Add(row.Entry);
                }
            }
            bool isWhole = WriteLines(open, reply);
            WriteEnd(0, audit, "# ", reply);
            return isWhole ? 0 : Cut;
        }
        else if (request.IsText)
        {
            WriteText(rows, audit, reply);
        }
        else
        {
            WriteJson(rows, audit, new JsonWriter(reply));
        }
        return 0;
    }

    private static void WriteText(List<Row> rows, Audit audit, Utf8Text text)
    {
        text.Add(Audit.Warning).Add(". ").Add(audit.Table.Count).Add(" connections\n");
        int listed = 0;
        foreach (Row row in rows)
        {
            if (text.Length > ControlSocket.MaxReply - Reserve)
            {
                break;
            }
            listed++;
            AuditEntry entry = row.Entry;
            text.Add(CoverOf(row)).Add(' ').Add(entry.Count).Add("x ").Add(WhoOf(entry)).Add(" -> ")
                .Add(WhatOf(entry)).Add(' ').Add(HowOf(entry)).Add('\n');
        }
        WriteEnd(rows.Count - listed, audit, "", text);
    }

    private static void WriteEnd(int hidden, Audit audit, string before, Utf8Text text)
    {
        if (hidden > 0)
        {
            text.Add(before).Add("and ").Add(hidden).Add(" more kinds\n");
        }
        if (audit.Table.UnlistedCount > 0)
        {
            text.Add(before).Add(audit.Table.UnlistedCount).Add(" connections of further kinds: no room\n");
        }
        if (audit.Losses > 0)
        {
            text.Add(before).Add("connections were missed ").Add(TextLayout.Times(audit.Losses)).Add("\n");
        }
        if (audit.Failure.Length > 0)
        {
            text.Add(before).Add("no connections are seen: ").Add(audit.Failure).Add('\n');
        }
    }

    /// <summary>
    /// Writes each name once; then, as comments, the addresses without a name. Returns false if there was no
    /// room for all of them; the text then says so.
    /// </summary>
    /// <param name="open">The uses that the whitelist does not cover.</param>
    /// <param name="text">Receives the lines.</param>
    internal static bool WriteLines(List<AuditEntry> open, Utf8Text text)
    {
        HashSet<string> seen = [];
        int hidden = 0;
        for (int pass = 0; pass < 2; pass++)
        {
            foreach (AuditEntry entry in open)
            {
                bool isInward = entry.Source is AuditSource.Inward or AuditSource.HostInward;
                bool isNamed = entry.Name is not null && AuditCovers.NameOf(entry.Name).IsHostName;
                if (isNamed != (pass == 0) || !seen.Add(isInward ? HowOf(entry) : WhatOf(entry)))
                {
                    continue;
                }
                if (text.Length > ControlSocket.MaxReply - Reserve)
                {
                    hidden++;
                    continue;
                }
                if (isNamed)
                {
                    if (AddressScopes.Of(entry.Address) == AddressScope.Private)
                    {
                        text.Add("# a private address: needs --allow-private-answers\n");
                    }
                    text.Add(WhatOf(entry)).Add('\n');
                }
                else
                {
                    WriteHint(entry, isInward, text);
                }
            }
        }
        if (hidden > 0)
        {
            text.Add("# CUT: no room for ").Add(hidden)
                .Add(" more: add these to the whitelist, run 'connmgr reload', and ask again\n");
        }
        return hidden == 0;
    }

    private static void WriteHint(AuditEntry entry, bool isInward, Utf8Text text)
    {
        text.Add("# ").Add(HowOf(entry)).Add(", ").Add(WhoOf(entry)).Add(": ");
        if (isInward)
        {
            text.Add("comes in, which no whitelist admits: see firewall.user\n");
            return;
        }
        text.Add(entry.Port == 53
            ? "a name server that the device does not use: see --dns-servers"
            : AddressScopes.Of(entry.Address) == AddressScope.Never ? "multicast, broadcast: stays closed"
            : "no name was asked for; a name is better. To open the address, write");
        text.Add("\n# ").Add(WhatOf(entry)).Add('\n');
    }

    private static void WriteJson(List<Row> rows, Audit audit, JsonWriter json)
    {
        json.Open('{').Name("connections").Value(audit.Table.Count)
            .Name("no_room").Value(audit.Table.UnlistedCount).Name("missed").Value(audit.Losses)
            .Name("failure").Value(audit.Failure).Name("uses").Open('[');
        int listed = 0;
        foreach (Row row in rows)
        {
            if (json.Text.Length > ControlSocket.MaxReply - Reserve)
            {
                break;
            }
            listed++;
            AuditEntry entry = row.Entry;
            json.Open('{').Name("covered").Value(row.Cover == AuditCover.None ? null : CoverOf(row))
                .Name("connections").Value(entry.Count)
                .Name("inward").Value(entry.Source is AuditSource.Inward or AuditSource.HostInward)
                .Name("uid");
            _ = entry.User == AuditTable.UnknownUser ? json.Value((string?)null) : json.Value(entry.User);
            json.Name("host").Value(entry.Host.Value == 0 ? null : entry.Host.ToString())
                .Name("name").Value(entry.Name is null ? null : AuditCovers.NameOf(entry.Name).ToString())
                .Name("address").Value(entry.Address.ToString())
                .Name("protocol").Value(ProtocolOf(entry)).Name("port").Value(entry.Port).Close('}');
        }
        json.Close(']').Name("unlisted").Value(rows.Count - listed).Close('}').Text.Add('\n');
    }

    private static string CoverOf(Row row) => row.Cover switch
    {
        AuditCover.None => "not",
        AuditCover.Whitelist => "whitelist",
        _ => "service",
    };

    private static string WhoOf(AuditEntry entry) => entry.Source switch
    {
        AuditSource.Device => entry.User == AuditTable.UnknownUser ? "device" : $"uid {entry.User}",
        AuditSource.Inward => entry.Address.ToString(),
        _ => $"host {entry.Host}",
    };

    private static string WhatOf(AuditEntry entry) =>
        entry.Source is AuditSource.Inward or AuditSource.HostInward ? "inward"
        : entry.Name is null ? entry.Address.ToString() : AuditCovers.NameOf(entry.Name).ToString();

    private static string HowOf(AuditEntry entry) =>
        entry.Port == 0 ? ProtocolOf(entry) : $"{ProtocolOf(entry)} {entry.Port}";

    private static string ProtocolOf(AuditEntry entry) => entry.Protocol switch
    {
        1 or 58 => "icmp",
        6 => "tcp",
        17 => "udp",
        _ => $"protocol {entry.Protocol}",
    };

    /// <summary>A recorded use, and the reason why the lockdown would admit it.</summary>
    private sealed class Row(AuditEntry entry, AuditCover cover)
    {
        public AuditEntry Entry => entry;

        public AuditCover Cover => cover;
    }
}
