using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using ConnMgr.Firewall;
using ConnMgr.Native;
using ConnMgr.Net;

namespace ConnMgr.Tests.Firewall;

/// <summary>The program nft, in the namespace of the calling thread.</summary>
internal static class Nft
{
    /// <summary>Runs a command and returns its output.</summary>
    public static string Run(string command, string options = "", bool mayFail = false)
    {
        using Process nft = Process.Start(new ProcessStartInfo(
            "nft", [.. options.Split(' ', StringSplitOptions.RemoveEmptyEntries), command])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        string output = nft.StandardOutput.ReadToEnd();
        string error = nft.StandardError.ReadToEnd();
        nft.WaitForExit();
        Assert.True(mayFail || nft.ExitCode == 0, $"nft {command}: {error}");
        return output;
    }

    /// <summary>Loads a ruleset, as `nft -f` does.</summary>
    public static void Load(string ruleset)
    {
        using Process nft = Process.Start(new ProcessStartInfo("nft", "-f -")
        {
            RedirectStandardInput = true,
            RedirectStandardError = true
        })!;
        nft.StandardInput.Write(ruleset);
        nft.StandardInput.Close();
        string error = nft.StandardError.ReadToEnd();
        nft.WaitForExit();
        Assert.True(nft.ExitCode == 0, error);
    }

    /// <summary>
    /// Lists a set of the lockdown's table in order: `ADDRESS`, `ADDRESS SECONDS` (its time-out) or
    /// `PREFIX/LENGTH`.
    /// </summary>
    public static string Elements(string set)
    {
        using JsonDocument document = JsonDocument.Parse(Run($"list set inet connmgr {set}", "-j"));
        JsonElement found = document.RootElement.GetProperty("nftables")[1].GetProperty("set");
        return found.TryGetProperty("elem", out JsonElement elements)
            ? string.Join(", ", elements.EnumerateArray().Select(Text).Order(StringComparer.Ordinal))
            : "";
    }

    /// <summary>Adds one element, and returns 0 or the kernel's error number.</summary>
    public static int Add(this NftSetSocket sets, IpPrefix prefix, int timeout) =>
        sets.Try(prefix, timeout).Number;

    /// <summary>Adds one element, and returns the kernel's error.</summary>
    public static KernelError Try(this NftSetSocket sets, IpPrefix prefix, int timeout)
    {
        KernelError failure = KernelError.None;
        sets.Apply([new HoleEffect(HoleAction.Open, prefix, timeout)], (_, error) => failure = error);
        return failure;
    }

    private static string Text(JsonElement element)
    {
        if (element.ValueKind == JsonValueKind.String)
        {
            return element.GetString()!;
        }
        if (element.TryGetProperty("prefix", out JsonElement prefix))
        {
            return $"{prefix.GetProperty("addr").GetString()}/{prefix.GetProperty("len").GetInt32()}";
        }
        if (element.TryGetProperty("elem", out JsonElement inner))
        {
            return inner.TryGetProperty("timeout", out JsonElement timeout)
                ? string.Create(CultureInfo.InvariantCulture,
                    $"{inner.GetProperty("val").GetString()} {timeout.GetInt32()}")
                : inner.GetProperty("val").GetString()!;
        }
        return element.GetRawText();
    }
}
