using System.Text;
using ConnMgr.Dns;
using ConnMgr.Firewall;
using ConnMgr.Net;
using CsCheck;

namespace ConnMgr.Tests.Firewall;

/// <summary>
/// Runs random hours of answers, connections, reloads, flushes and restarts against the plain meaning of
/// section 10 of the contract. The effects go into a simulated kernel, which must have open exactly what was
/// promised, at every moment.
/// </summary>
public class HolesModelTests
{
    private static readonly string[] Names = ["a.example", "b.example", "x.wild.example", "y.wild.example"];
    private static readonly string[] Addresses =
        ["198.18.5.1", "198.18.5.2", "198.18.6.1", "2001:db8::1", "2001:db8:6::1"];
    private static readonly string[] Lines =
        ["a.example", "b.example", "*.wild.example", "y.wild.example", "198.18.6.0/24", "198.18.5.2",
            "2001:db8:6::/48"];

    private static readonly int[] Waits = [0, 1, 4, 7, 100, 1800, 3590, 3900, 8000];

    private enum Kind
    {
        Answer,
        Connect,
        Disconnect,
        Reload,
        Flush,
        Restart,
    }

    [Fact]
    public void The_kernel_has_open_exactly_what_was_promised()
    {
        Gen<(Kind, int, int, int, int)> step = Gen.Select(
            Gen.Frequency(
                (8, Gen.Const(Kind.Answer)), (2, Gen.Const(Kind.Connect)), (2, Gen.Const(Kind.Disconnect)),
                (1, Gen.Const(Kind.Reload)), (1, Gen.Const(Kind.Flush)), (1, Gen.Const(Kind.Restart))),
            Gen.Int[0, 3], Gen.Int[0, 4], Gen.Int[0, 8].Select(i => Waits[i]), Gen.Int[1, 127]);
        step.Array[1, 40].Sample(
            steps => new World().Run(steps), iter: 1000, print: steps => string.Join(' ', steps));
    }

    private sealed class World
    {
        private readonly Dictionary<string, int> _kernel = []; // when the element ends; 0: never
        private readonly Dictionary<(string Address, string Name), (int Until, int Lifetime)> _promised = [];
        private readonly HashSet<string> _connected = [];
        private readonly List<HoleEffect> _effects = [];
        private string[] _lines = Lines;
        private Holes _holes = new(Read(Lines));
        private int _now = 1;

        public bool Run((Kind Kind, int Name, int Address, int Wait, int Number)[] steps)
        {
            OpenAll();
            Apply();
            foreach ((Kind kind, int name, int address, int wait, int number) in steps)
            {
                PassTime(_now + wait);
                Do(kind, Names[name], Addresses[address], number);
                Apply();
                if (!IsAsPromised())
                {
                    return false;
                }
            }
            return true;
        }

        private void Do(Kind kind, string name, string address, int number)
        {
            switch (kind)
            {
                case Kind.Answer:
                    uint ttl = (uint)(number * number);
                    _holes.Learn(Name(name), Address(address), ttl, Seconds(_now), _effects);
                    if (IsWanted(name))
                    {
                        int lifetime = Math.Max(300, (int)ttl) + 3600;
                        _promised.TryGetValue((address, name), out (int Until, int) before);
                        _promised[(address, name)] = (Math.Max(before.Until, _now + lifetime), lifetime);
                    }
                    break;
                case Kind.Connect when IsOpen(address):
                    _connected.Add(address);
                    break;
                case Kind.Disconnect:
                    _connected.Remove(address);
                    break;
                case Kind.Reload:
                    _lines = [.. Lines.Where((_, i) => (number & (1 << i)) != 0)];
                    _holes.Change(Read(_lines), Seconds(_now), _effects);
                    foreach ((string Address, string Name) key in _promised.Keys.Where(key =>
                        !IsWanted(key.Name)).ToList())
                    {
                        _promised.Remove(key);
                    }
                    _connected.RemoveWhere(peer => !IsOpen(peer));
                    break;
                case Kind.Flush:
                    _kernel.Clear();
                    OpenAll();
                    break;
                case Kind.Restart:
                    byte[] text = HoleFile.Write(_holes, "boot", Seconds(_now)).ToArray();
                    _holes = new Holes(Read(_lines));
                    HoleFile.Read(text, "boot", Seconds(_now), _holes, _effects);
                    _effects.Clear();
                    OpenAll();
                    break;
            }
        }

        /// <summary>Runs looks and ticks when they are due, a look first, as the daemon does.</summary>
        private void PassTime(int end)
        {
            while (true)
            {
                TimeSpan next = _holes.NextLook < _holes.NextDeadline ? _holes.NextLook : _holes.NextDeadline;
                if (next > Seconds(end))
                {
                    _now = end;
                    return;
                }
                _now = Math.Max(_now, (int)Math.Ceiling(next.TotalSeconds));
                if (_holes.NextLook <= Seconds(_now))
                {
                    foreach (string peer in _connected)
                    {
                        _holes.SeeOpen(Address(peer), Seconds(_now), _effects);
                        foreach ((string Address, string Name) key in _promised.Keys.Where(
                            key => key.Address == peer && _promised[key].Until >= _now).ToList())
                        {
                            (int until, int lifetime) = _promised[key];
                            _promised[key] = (Math.Max(until, _now + lifetime), lifetime);
                        }
                    }
                    _holes.OnLookEnded(Seconds(_now));
                }
                _holes.Tick(Seconds(_now), _effects);
                Apply();
                Assert.True(IsAsPromised());
            }
        }

        private void Apply()
        {
            foreach (HoleEffect effect in _effects)
            {
                string element = effect.Prefix.ToString();
                if (effect.Action == HoleAction.Open)
                {
                    _kernel[element] = effect.Timeout == 0 ? 0 : _now + effect.Timeout;
                }
                else
                {
                    _kernel.Remove(element);
                }
            }
            _effects.Clear();
        }

        private bool IsAsPromised()
        {
            foreach (string address in Addresses)
            {
                bool isInKernel = _kernel.Any(element => (element.Value == 0 || element.Value > _now)
                    && IsIn(element.Key, address));
                if (isInKernel != IsOpen(address))
                {
                    throw new InvalidOperationException($"at {_now}, {address}: in the kernel {isInKernel}");
                }
            }
            return true;
        }

        private bool IsOpen(string address) =>
            _promised.Any(promise => promise.Key.Address == address && promise.Value.Until > _now)
            || _lines.Any(line => IsIn(line, address));

        private bool IsWanted(string name) => _lines.Any(line =>
            line == name || (line[0] == '*' && name.EndsWith(line[1..], StringComparison.Ordinal)));

        private static bool IsIn(string element, string address) => element == address
            || (element.Contains('/', StringComparison.Ordinal)
                && System.Net.IPNetwork.Parse(element).Contains(System.Net.IPAddress.Parse(address)));

        private static Whitelist Read(string[] lines) =>
            WhitelistReader.Read(Encoding.ASCII.GetBytes(string.Join('\n', lines)), [], []);

        private static DnsName Name(string text) => DnsName.TryParse(text, out DnsName name) ? name : default;

        private static IpNumber Address(string text) => IpNumber.Of(System.Net.IPAddress.Parse(text));

        private void OpenAll()
        {
            for (int i = _holes.OpenCount; i-- > 0;)
            {
                _holes.OpenAgain(i, Seconds(_now), _effects);
            }
        }

        private static TimeSpan Seconds(int seconds) => TimeSpan.FromSeconds(seconds);
    }
}
