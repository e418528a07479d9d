using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Net;
using ConnMgr.Logging;
using ConnMgr.Net;

namespace ConnMgr.Cli;

/// <summary>The kinds of options: how their values are parsed, and what is wrong with them. Pure.</summary>
internal static class OptionKinds
{
    private const int MostSeconds = 366 * 86400;

    /// <summary>Parses the text of one value; the error is a phrase.</summary>
    public delegate bool TryParse<T>(string text, out T value, out string error);

    /// <summary>An option whose value is a directory; without a default if that is null.</summary>
    public static Option<string> Directory(string name, string? standard, string description)
    {
        Option<string> option = new(name) { Description = description, HelpName = "DIR" };
        if (standard is not null)
        {
            option.DefaultValueFactory = _ => standard;
        }
        option.Validators.Add(result => Require(
            result, result.GetValueOrDefault<string>() is { Length: > 0 and < 4096 },
            $"{name}: not a directory"));
        return option;
    }

    /// <summary>An option whose value is a number within bounds.</summary>
    public static Option<int> Number(
        string name, string unit, string description, int standard, int least, int most) =>
        new(name)
        {
            Description = description,
            HelpName = unit,
            DefaultValueFactory = _ => standard,
            CustomParser = result =>
            {
                bool isValid = int.TryParse(
                    result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out int number);
                Require(result, isValid && number >= least && number <= most, $"{name}: {least} to {most}");
                return number;
            },
        };

    /// <summary>
    /// Parses a number within bounds. Reports an error and returns 0 for any other text.
    /// </summary>
    public static int CountIn(ArgumentResult result, string text, int least, int most)
    {
        bool isValid = int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            && number >= least && number <= most;
        Require(result, isValid, $"{(result.Parent as OptionResult)?.Option.Name}: {least} to {most}");
        return isValid ? number : 0;
    }

    /// <summary>A time as a number and a unit: s, m, h or d; without a unit, seconds.</summary>
    public static Option<int> Time(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "TIME",
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            int unit = text is [.., 's'] ? 1 : text is [.., 'm'] ? 60 : text is [.., 'h'] ? 3600
                : text is [.., 'd'] ? 86400 : 0;
            string digits = unit == 0 ? text : text[..^1];
            bool isValid = int.TryParse(
                digits, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
                && number > 0 && number <= MostSeconds / Math.Max(1, unit);
            Require(result, isValid, $"{name}: a number of seconds, or with s, m, h or d, up to 366d");
            return isValid ? number * Math.Max(1, unit) : 0;
        },
    };

    /// <summary>An option whose value is one of a few words.</summary>
    public static Option<string> OneOf(
        string name, string description, string standard, params string[] values)
    {
        Option<string> option = new(name)
        {
            Description = description,
            HelpName = string.Join('|', values),
            DefaultValueFactory = _ => standard,
        };
        return option.AcceptOnlyFromAmong(values);
    }

    /// <summary>An option that takes addresses, and may be repeated.</summary>
    public static Option<IPAddress[]> Addresses(
        string name, string description, params IPAddress[] standard) =>
        new(name)
        {
            Description = description,
            HelpName = "ADDR",
            DefaultValueFactory = _ => standard,
            CustomParser = result => Each(
                result,
                static (string text, out IPAddress value, out string error) =>
                {
                    error = $"not an IP address: {ForeignText.Quote(text)}";
                    return LiteralAddress.TryParse(text, out value);
                }),
        };

    /// <summary>Parses each value; reports the first error and returns null.</summary>
    public static T[]? Each<T>(ArgumentResult result, TryParse<T> parse)
    {
        List<T> values = [];
        foreach (Token token in result.Tokens)
        {
            if (!parse(token.Value, out T value, out string error))
            {
                result.AddError($"{(result.Parent as OptionResult)?.Option.Name}: {error}");
                return null;
            }
            values.Add(value);
        }
        return [.. values];
    }

    /// <summary>Reports an error unless the condition holds.</summary>
    public static void Require(SymbolResult result, bool condition, string otherwise)
    {
        if (!condition)
        {
            result.AddError(otherwise);
        }
    }
}
