using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using ConnMgr.EventLoop;

namespace ConnMgr.Tests;

/// <summary>
/// Judges the compiled product: dependencies between rooms point downwards, a type does I/O or reads a clock
/// only if its name says so, and nothing starts a thread. <c>ArchitectureMutants</c> shows that each rule can
/// fail.
/// </summary>
public partial class ArchitectureTests
{
    /// <summary>
    /// The rooms (folders), the lowest first. A room may use itself and the rooms on the lines above its own.
    /// </summary>
    private static readonly string[][] Layers =
    [
        ["Queries"],
        ["Native", "Net"],
        ["EventLoop", "Logging"],
        ["Netlink", "Dns", "Control"],
        ["Capture", "Flows", "Probe"],
        ["Config"],
        ["Scripts"],
        ["Routing"],
        ["Links", "Cli"],
        ["Resolver", "Firewall", "Attributes"],
        ["Status"],
        ["App"],
    ];

    /// <summary>
    /// Dependencies that still point upwards, as `room -> room`. The list may only shrink: an unused entry
    /// fails the test.
    /// </summary>
    private static readonly string[] Debts =
    [
    ];

    /// <summary>
    /// What the pure part of Links may use outside its own room: plain values, nothing that formats, parses
    /// or logs.
    /// </summary>
    private static readonly string[] UsableByPureLinks =
    [
        "ConnMgr.Links.", "ConnMgr.Net.", "ConnMgr.Config.", "ConnMgr.Routing.", "ConnMgr.Probe.",
        "ConnMgr.Queries.",
        "ConnMgr.Netlink.KernelState", "ConnMgr.Netlink.Device", "ConnMgr.Netlink.DeviceAddress",
        "ConnMgr.Netlink.DefaultRoute", "ConnMgr.Netlink.KernelRoute", "ConnMgr.Netlink.Neighbours",
        "ConnMgr.EventLoop.Pace",
    ];

    private static readonly Dictionary<string, SortedSet<string>> Product =
        CompiledReferences.Of(typeof(Loop).Assembly);

    private static readonly Dictionary<string, SortedSet<string>> Mutants =
        CompiledReferences.Of(Assembly.GetExecutingAssembly())
            .Where(type => type.Key.Contains(".MutantThat", StringComparison.Ordinal))
            .ToDictionary();

    [Fact]
    public void Every_folder_is_in_a_layer() => Assert.Equal(
        Layers.SelectMany(layer => layer).Order(),
        Directory.EnumerateDirectories(Repository.Source).Select(path => Path.GetFileName(path)!)
            .Where(name => name is not ("bin" or "obj")).Order());

    [Fact]
    public void Every_type_is_in_the_namespace_of_its_folder()
    {
        string[] rooms = [.. Layers.SelectMany(layer => layer)];
        Assert.Equal(
            rooms.Order(), Product.Keys.Select(RoomOf).Where(room => room.Length > 0).Distinct().Order());
    }

    [Fact]
    public void Dependencies_point_downwards()
    {
        string[] offences = [.. UpwardUses(Product)];
        Assert.Equal("", string.Join('\n', offences.Where(offence => !Debts.Contains(Pair(offence)))));
        Assert.Equal([], Debts.Except(offences.Select(Pair)));
    }

    [Fact]
    public void Pure_types_neither_do_io_nor_read_a_clock()
    {
        Assert.Equal("", string.Join('\n', Effects(Product)));
        int pure = Product.Keys.Count(type => RoomOf(type).Length > 0 && !MayHaveEffects(type));
        Assert.True(pure >= 100, $"only {pure} pure types found: is it still the right assembly?");
    }

    [Fact]
    public void The_pure_part_of_Links_uses_values_only() =>
        Assert.Equal("", string.Join('\n', ForeignUsesOfPureLinks(Product)));

    [Fact]
    public void There_is_no_thread_no_task_no_lock_no_finalizer_anywhere() =>
        Assert.Equal("", string.Join('\n', Concurrency(Product)));

    /// <summary>
    /// Trimming.xml removes the text of records, which is for debuggers. A text that a record defines itself
    /// must not be on its list.
    /// </summary>
    [Fact]
    public void Only_texts_that_the_compiler_made_are_removed()
    {
        XDocument trimming = XDocument.Load(Path.Combine(Repository.Source, "Trimming.xml"));
        string[] types =
        [
            .. trimming.Descendants("assembly")
                .Single(part => (string?)part.Attribute("fullname") == "connmgr")
                .Elements("type").Select(type => (string)type.Attribute("fullname")!),
        ];
        Assert.True(types.Length >= 40, $"only {types.Length} types");
        Assert.All(types, name =>
        {
            Type? type = typeof(Loop).Assembly.GetType(name.Replace('/', '+'));
            Assert.True(type is not null, $"{name}: there is no such type");
            MethodInfo text = type.GetMethod("ToString", [])!;
            Assert.True(
                text.DeclaringType == type && text.IsDefined(typeof(CompilerGeneratedAttribute)),
                $"{name}: its ToString is not the compiler's");
        });
    }

    /// <summary>
    /// Trimming.xml removes these from the executable. Unit tests run untrimmed and would not notice a use.
    /// </summary>
    [Fact]
    public void Nothing_uses_what_the_executable_lacks()
    {
        Assert.Equal("", string.Join('\n', Uses(Product, use => Trimmed().IsMatch(use))));
        Assert.Matches(Trimmed(), "System.DateTime::get_Now");
        // The compiled call names the base class, so search the source instead.
        Assert.All(
            Directory.EnumerateFiles(Repository.Source, "*.cs", SearchOption.AllDirectories),
            path => Assert.DoesNotMatch(PacketText(), File.ReadAllText(path)));
    }

    /// <summary>
    /// Trimming.xml removes the names of enum members and the formatting of fractions and times. A generated
    /// ToString of a record would need them.
    /// </summary>
    [Fact]
    public void Nothing_formats_what_the_executable_cannot() =>
        Assert.Equal("", string.Join('\n', Uses(Product, IsUnprintable)));

    /// <summary>
    /// All deadlines are of CLOCK_MONOTONIC, so nothing happens if the time of day is set. It stands in log
    /// lines and in the status. Only the budgets need the date, and do not believe a clock that is set.
    /// </summary>
    [Fact]
    public void The_time_of_day_decides_nothing() => Assert.Equal(
        ["ConnMgr.Links.BudgetDriver", "ConnMgr.Logging.Log", "ConnMgr.Status.StatusReport"],
        Product.Where(type => type.Value.Any(TimeOfDay().IsMatch)).Select(type => type.Key).Order());

    [Theory]
    [InlineData("MutantThatNamesAConstant"), InlineData("MutantThatWritesAFraction")]
    [InlineData("MutantThatWritesATime"), InlineData("MutantThatWritesARecord")]
    public void What_the_executable_cannot_format_is_found(string mutant) =>
        Assert.NotEmpty(Uses(Mutant(mutant), IsUnprintable));

    /// <summary>
    /// Trimming.xml removes the Equals and GetHashCode that structs inherit. So each struct that a record or
    /// a table compares must have its own.
    /// </summary>
    [Fact]
    public void Every_struct_that_is_compared_has_an_Equals_of_its_own() => Assert.Empty(
        from type in typeof(Loop).Assembly.GetTypes()
        from field in type.GetFields(BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public)
        from compared in Compared(type, field.FieldType)
        where compared.IsValueType && !compared.IsEnum
            && compared.GetMethod("Equals", [typeof(object)])!.DeclaringType == typeof(ValueType)
        select $"{type}: {compared}");

    [Theory]
    [InlineData("MutantThatLogs"), InlineData("MutantThatReadsAFile"), InlineData("MutantThatReadsAClock")]
    [InlineData("MutantThatCallsTheKernel"), InlineData("MutantThatUsesAPointer")]
    public void An_effect_in_a_pure_type_is_found(string mutant) => Assert.NotEmpty(Effects(Mutant(mutant)));

    [Theory]
    [InlineData("MutantThatLogs"), InlineData("MutantThatWritesJson"), InlineData("MutantThatReadsRtnetlink")]
    public void A_qualified_name_in_pure_Links_is_found(string mutant) =>
        Assert.NotEmpty(ForeignUsesOfPureLinks(Mutant(mutant)));

    [Fact]
    public void A_dependency_that_points_upwards_is_found() =>
        Assert.Equal(
            ["Net -> EventLoop: ConnMgr.Net.MutantThatLooksUp uses ConnMgr.EventLoop.Pace"],
            UpwardUses(Mutant("MutantThatLooksUp")));

    [Fact]
    public void A_task_is_found() => Assert.NotEmpty(Concurrency(Mutant("MutantThatWaits")));

    private static Dictionary<string, SortedSet<string>> Mutant(string name) =>
        Mutants.Where(type => type.Key.EndsWith("." + name, StringComparison.Ordinal)).ToDictionary();

    private static IEnumerable<string> UpwardUses(Dictionary<string, SortedSet<string>> types) =>
        from type in types
        where RoomOf(type.Key).Length > 0
        from used in type.Value
        where !used.Contains("::", StringComparison.Ordinal) && RoomOf(used).Length > 0
            && RoomOf(used) != RoomOf(type.Key) && LayerOf(RoomOf(used)) >= LayerOf(RoomOf(type.Key))
        select $"{RoomOf(type.Key)} -> {RoomOf(used)}: {type.Key} uses {used}";

    private static IEnumerable<string> Effects(Dictionary<string, SortedSet<string>> types) => Uses(
        types.Where(type => RoomOf(type.Key).Length > 0 && !MayHaveEffects(type.Key)).ToDictionary(),
        use => Effect().IsMatch(use)
            || (RoomOf(use).Length > 0 && MayHaveEffects(use.Split("::")[0])));

    private static IEnumerable<string> ForeignUsesOfPureLinks(Dictionary<string, SortedSet<string>> types) =>
        Uses(
            types.Where(type => RoomOf(type.Key) == "Links" && !MayHaveEffects(type.Key)).ToDictionary(),
            use => use.StartsWith("ConnMgr.", StringComparison.Ordinal)
                && !UsableByPureLinks.Any(usable => IsPartOf(use, usable)));

    private static bool IsPartOf(string use, string usable) => usable.EndsWith('.')
        ? use.StartsWith(usable, StringComparison.Ordinal)
        : use.Split("::")[0] == usable;

    private static IEnumerable<string> Concurrency(Dictionary<string, SortedSet<string>> types) =>
        Uses(types, use => Concurrent().IsMatch(use));

    private static IEnumerable<string> Uses(
        Dictionary<string, SortedSet<string>> types, Func<string, bool> isOffence) =>
        from type in types
        from use in type.Value
        where isOffence(use)
        select $"{type.Key} uses {use}";

    private static bool IsUnprintable(string use) =>
        use.Split(' ') is ["formats", string formatted]
        && (Unprintable().IsMatch(formatted)
            || (typeof(Loop).Assembly.GetType(formatted) is { } type
                && (type.IsEnum
                    || type.GetMethod("ToString", [])!.IsDefined(typeof(CompilerGeneratedAttribute)))));

    /// <summary>
    /// The types whose equality the type uses: the fields of a record, the keys of a table.
    /// </summary>
    private static Type[] Compared(Type type, Type field) =>
        type.GetMethod("PrintMembers", BindingFlags.Instance | BindingFlags.NonPublic) is not null
            ? [Nullable.GetUnderlyingType(field) ?? field]
            : field.IsGenericType && field.GetInterface("IReadOnlyDictionary`2") is not null
                || field.GetInterface("IReadOnlySet`1") is not null
            ? field.GetGenericArguments()[..1]
            : [];

    private static string Pair(string offence) => offence.Split(':')[0];

    private static int LayerOf(string room) => Array.FindIndex(Layers, layer => layer.Contains(room));

    /// <summary>Returns `Links` for `ConnMgr.Links.Selector`; an empty string outside the rooms.</summary>
    private static string RoomOf(string type) =>
        type.Split('.') is ["ConnMgr", string room, _, ..] && LayerOf(room) >= 0 ? room : "";

    /// <summary>Matches a type by its room or by its name.</summary>
    private static bool MayHaveEffects(string type)
    {
        string name = type.Split('.')[^1];
        return (RoomOf(type) is "Native" or "EventLoop" && name != "Pace") // a token bucket is told the time
            || name is "Startup" or "ConfigFiles" or "DefaultsFile" or "Daemon" or "LinkSockets"
                or "AttributeReport"
                or "Audit" or "AuditText"
                or "Lockdown" or "LockdownStatus" or "LockdownView" or "HoleStore" or "DnsObserver"
                or "ReplyGate" or "ReplyReader" or "NameRefresher" or "ConnectionKiller" or "NftBackend"
                or "SetBackend" or "RuleBackend" or "NameServers" or "ScriptEnvironment" or "StatusReport"
                or "ServerFiles" or "ServiceOptions"
                or "Log" or "CommandLine" or "OldLockdown" or "RunDirectoryPointer" or "Child" or "ScriptLane"
            || EffectfulName().IsMatch(name);
    }

    [GeneratedRegex("(Monitor|Socket|Client|Query|Runner|Driver)$")]
    private static partial Regex EffectfulName();

    [GeneratedRegex(
        @"^unsafe$|^Tmds\.|^System\.IO\.(?!Path\b)|^System\.(Console|TimeProvider|Random)\b"
        + @"|^System\.Environment::(?!get_CurrentManagedThreadId$)"
        + @"|^System\.GC::(?!Allocate)"
        + @"|^System\.Diagnostics\.(Process|Stopwatch)|^System\.Net\.Sockets\.(?!AddressFamily\b)"
        + @"|^System\.Net\.Dns\b|^System\.Security\.Cryptography\.|^Microsoft\.Win32\."
        + @"|^System\.DateTime(Offset)?::get_(UtcNow|Now|Today)$")]
    private static partial Regex Effect();

    [GeneratedRegex(@"^System\.DateTime(Offset)?::get_(UtcNow|Now|Today)$|^System\.TimeProvider::GetUtcNow$")]
    private static partial Regex TimeOfDay();

    [GeneratedRegex(@"^finalizer$|^System\.Threading\.|\.IAsyncStateMachine$")]
    private static partial Regex Concurrent();

    [GeneratedRegex(
        @"^System\.DateTime(Offset)?::(get_Now|ToLocalTime)$|^System\.TimeZoneInfo\b"
        + @"|^System\.Text\.(RegularExpressions|Json)\.|^System\.Reflection\.|^System\.(Enum|Activator)::"
        + @"|^System\.(DateTime(Offset)?|DateOnly|TimeOnly|Double|Single|Half|Decimal)::(ToString|TryFormat)$"
        + @"|^System\.Text\.Encoding::GetEncoding$"
        + @"|^System\.Console::(get_In|Read\w*|\w*Foreground\w*)$")]
    private static partial Regex Trimmed();

    [GeneratedRegex(@"^System\.(DateTime|DateTimeOffset|DateOnly|TimeOnly|Double|Single|Half|Decimal)$")]
    private static partial Regex Unprintable();

    [GeneratedRegex(@"[pP]acket\.ToString\(")]
    private static partial Regex PacketText();
}
