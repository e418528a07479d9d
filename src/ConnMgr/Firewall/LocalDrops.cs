using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>Where packets that the lockdown admits are dropped.</summary>
internal enum DropPlace
{
    /// <summary>They do not leave the device.</summary>
    Output,

    /// <summary>They arrive, but do not reach the program that waits for them.</summary>
    Input,
}

/// <summary>
/// What this device drops although the lockdown admits it, because of another program's rules. Pure; times
/// are those of the loop.
/// </summary>
internal sealed class LocalDrops
{
    /// <summary>The largest number of services that are stored; further ones are ignored.</summary>
    public const int Most = 16;

    /// <summary>A sighting is forgotten after this time.</summary>
    private static readonly TimeSpan Memory = TimeSpan.FromMinutes(1);

    /// <summary>
    /// A drop counts once it was seen twice, this far apart: a route that is just being changed refuses a
    /// packet, too, and an answer may arrive while the kernel is asked.
    /// </summary>
    private static readonly TimeSpan Between = TimeSpan.FromSeconds(0.4);

    private readonly List<Drop> _drops = [];

    /// <summary>True while a stored sighting has not been confirmed.</summary>
    public bool HasDoubt => _drops.Exists(drop => !drop.IsSure);

    /// <summary>Records a connection, or a question, of which a packet was dropped.</summary>
    /// <param name="peer">The service.</param>
    /// <param name="port">Its port.</param>
    /// <param name="isTcp">True for TCP, false for UDP.</param>
    /// <param name="place">Which packets are dropped.</param>
    /// <param name="now">The loop's time.</param>
    /// <param name="isSure">True if one sighting suffices.</param>
    public void See(
        IpNumber peer, ushort port, bool isTcp, DropPlace place, TimeSpan now, bool isSure = false)
    {
        foreach (Drop drop in _drops)
        {
            if (drop.Peer == peer && drop.Port == port && drop.IsTcp == isTcp && drop.Place == place)
            {
                drop.IsSure |= isSure || now - drop.First >= Between;
                drop.Last = now;
                return;
            }
        }
        if (_drops.Count < Most)
        {
            _drops.Add(new Drop(peer, port, isTcp, place, now) { IsSure = isSure });
        }
    }

    /// <summary>Forgets what was not seen again for a minute.</summary>
    public void Expire(TimeSpan now) => _drops.RemoveAll(drop => now - drop.Last >= Memory);

    /// <summary>Forgets everything.</summary>
    public void Clear() => _drops.Clear();

    /// <summary>True if packets of this direction are dropped for certain.</summary>
    public bool Has(DropPlace place) => _drops.Exists(drop => drop.IsSure && drop.Place == place);

    /// <summary>Returns a phrase for each service that is dropped for certain.</summary>
    public List<string> Describe()
    {
        List<string> words = [];
        foreach (Drop drop in _drops)
        {
            if (drop.IsSure)
            {
                string protocol = drop.IsTcp ? " tcp " : " udp ";
                string service = drop.Peer.ToString() + protocol + drop.Port.ToString();
                words.Add(drop.Place == DropPlace.Output
                    ? "output: packets to " + service + " do not leave"
                    : "input: answers from " + service + " arrive, but do not reach the program that asked");
            }
        }
        return words;
    }

    private sealed class Drop(IpNumber peer, ushort port, bool isTcp, DropPlace place, TimeSpan first)
    {
        public IpNumber Peer { get; } = peer;

        public ushort Port { get; } = port;

        public bool IsTcp { get; } = isTcp;

        public DropPlace Place { get; } = place;

        public TimeSpan First { get; } = first;

        public TimeSpan Last { get; set; } = first;

        public bool IsSure { get; set; }
    }
}
