using System.Globalization;

namespace ConnMgr.Firewall;

/// <summary>What init_firewall.sh says of what it has done. Pure.</summary>
/// <param name="HasSets">The rules match the address sets; else each address needs rules of its own.</param>
/// <param name="Queue">The NFQUEUE that DNS replies go through; null: none.</param>
/// <param name="KnowsEnded">It has ended the connections of before, or there was none; else that is left to us.</param>
internal readonly record struct LockdownReport(bool HasSets, ushort? Queue, bool KnowsEnded)
{
    /// <summary>Lines `sets: yes|no`, `queue: N|none`, `ended: N|unknown`; others, and missing ones, mean the safe side.</summary>
    public static LockdownReport Read(string output)
    {
        LockdownReport report = default;
        foreach (ReadOnlySpan<char> line in output.AsSpan().EnumerateLines())
        {
            int colon = line.IndexOf(": ");
            ReadOnlySpan<char> value = colon < 0 ? default : line[(colon + 2)..];
            bool isNumber = ushort.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out ushort number);
            switch (colon < 0 ? "" : line[..colon])
            {
                case "sets":
                    report = report with { HasSets = value is "yes" };
                    break;
                case "queue":
                    report = report with { Queue = isNumber ? number : null };
                    break;
                case "ended":
                    report = report with { KnowsEnded = value is not "unknown" };
                    break;
            }
        }
        return report;
    }
}
