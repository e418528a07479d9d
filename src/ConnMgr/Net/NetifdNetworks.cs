using System.Net;
using System.Text;

namespace ConnMgr.Net;

/// <summary>A network of OpenWrt's netifd that is up.</summary>
/// <param name="name">Its name in /etc/config/network, such as wan.</param>
/// <param name="device">The device that its addresses are on.</param>
/// <param name="nameServers">
/// The name servers that it has learned or been configured with, at most 16.
/// </param>
/// <param name="gateways">The gateways of its default routes, at most one per family; empty if the network
/// has a metric. Without metrics, the defaults of several networks replace each other. Defaults for packets
/// from a source prefix only do not count.</param>
internal sealed class NetifdNetwork(
    string name, string device, List<IPAddress> nameServers, List<IPAddress> gateways)
{
    public string Name => name;

    public string Device => device;

    public List<IPAddress> NameServers => nameServers;

    public List<IPAddress> Gateways => gateways;

    /// <summary>True if both have the same content.</summary>
    public bool IsSameAs(NetifdNetwork other) =>
        name == other.Name && device == other.Device && nameServers.SequenceEqual(other.NameServers)
        && gateways.SequenceEqual(other.Gateways);
}

/// <summary>
/// Parses the output of `ubus call network.interface dump` as it arrives (netifd, ubus.c,
/// netifd_dump_status): an object whose `interface` is an array of networks. It skips unknown members, and
/// those that netifd lists as inactive.
/// </summary>
internal sealed class NetifdNetworks
{
    /// <summary>In bytes; a longer text is refused. A network takes about 1 KiB.</summary>
    public const int MaxLength = 1 << 20;

    private const int MaxNetworks = 64;
    private const int MaxServers = 16;

    private enum Member
    {
        Other,
        Interface,
        Up,
        Device,
        NameServers,
        Metric,
        Routes,
        Mask,
        NextHop,
        Source,
        Unusual,
    }

    private readonly JsonScanner _json = new();
    // The member being read, by depth.
    private readonly Member[] _members = new Member[JsonScanner.MaxDepth + 1];
    private readonly List<NetifdNetwork> _networks = [];
    private int _length;
    private bool _hasFailed;

    // The network that is being read.
    private string? _name;
    private string? _device;
    private bool _isUp;
    private bool _hasMetric;
    private readonly List<IPAddress> _servers = [];
    private readonly List<IPAddress> _gateways = [];

    // The route that is being read.
    private bool _isDefault;
    private bool _isUnusual; // has a metric, a table, a type, or a source prefix
    private IPAddress? _nextHop;

    /// <summary>Processes the next part of the text.</summary>
    public void Take(ReadOnlySpan<byte> bytes)
    {
        _hasFailed |= bytes.Length > MaxLength - _length;
        _length = Math.Min(MaxLength, _length + Math.Min(bytes.Length, MaxLength));
        while (!_hasFailed)
        {
            JsonToken token = _json.Read(ref bytes);
            if (token == JsonToken.None)
            {
                return;
            }
            _hasFailed = token == JsonToken.Error;
            See(token);
        }
    }

    /// <summary>
    /// Returns the networks that are up, in netifd's order. Null if the text was not a complete dump.
    /// </summary>
    public List<NetifdNetwork>? Finish() => _hasFailed || !_json.IsComplete ? null : _networks;

    private bool IsInNetwork => _json.Depth == 3 && IsBelowInterface;

    private bool IsInRoute =>
        _json.Depth == 5 && IsBelowInterface && _members[3] == Member.Routes && !_json.IsObject(4)
        && _json.IsObject(5);

    private bool IsBelowInterface =>
        _members[1] == Member.Interface && _json.IsObject(1) && !_json.IsObject(2) && _json.IsObject(3);

    private void See(JsonToken token)
    {
        switch (token)
        {
            case JsonToken.BeginObject or JsonToken.BeginArray:
                _members[_json.Depth] = Member.Other;
                if (IsInNetwork)
                {
                    BeginNetwork();
                }
                else if (IsInRoute)
                {
                    (_isDefault, _isUnusual, _nextHop) = (false, false, null);
                }
                break;
            case JsonToken.Name:
                _members[_json.Depth] = MemberOf(_json.Text);
                break;
            case JsonToken.EndObject
                when _json.Depth == 2 && _members[1] == Member.Interface && !_json.IsObject(2):
                OnNetworkEnded();
                break;
            case JsonToken.EndObject when _json.Depth == 4 && IsBelowInterface
                && _members[3] == Member.Routes && !_json.IsObject(4):
                OnRouteEnded();
                break;
            case JsonToken.String or JsonToken.Number or JsonToken.True or JsonToken.False or JsonToken.Null:
                SeeValue(token);
                break;
        }
    }

    private void SeeValue(JsonToken token)
    {
        if (IsInNetwork)
        {
            SeeOfNetwork(_members[3], token);
        }
        else if (IsInRoute)
        {
            SeeOfRoute(_members[5], token);
        }
        else if (_json.Depth == 4 && IsBelowInterface && _members[3] == Member.NameServers
            && !_json.IsObject(4) && TryReadAddress(token, out IPAddress server)
            && _servers.Count < MaxServers && !_servers.Contains(server))
        {
            _servers.Add(server);
        }
    }

    private void BeginNetwork()
    {
        _name = _device = null;
        _isUp = _hasMetric = false;
        _servers.Clear();
        _gateways.Clear();
    }

    private void SeeOfNetwork(Member member, JsonToken token)
    {
        switch (member)
        {
            case Member.Interface when token == JsonToken.String && !_json.IsCut:
                _name = Encoding.UTF8.GetString(_json.Text);
                break;
            case Member.Device when token == JsonToken.String:
                string device = Encoding.UTF8.GetString(_json.Text);
                _device = InterfaceName.IsValid(device) ? device : null;
                break;
            case Member.Up:
                _isUp = token == JsonToken.True;
                break;
            case Member.Metric:
                _hasMetric = token != JsonToken.Number || !_json.Text.SequenceEqual("0"u8);
                break;
        }
    }

    private void SeeOfRoute(Member member, JsonToken token)
    {
        switch (member)
        {
            case Member.NextHop when TryReadAddress(token, out IPAddress nextHop):
                _nextHop = nextHop;
                break;
            case Member.Mask:
                _isDefault = token == JsonToken.Number && _json.Text.SequenceEqual("0"u8);
                break;
            case Member.Metric or Member.Unusual:
                _isUnusual = true;
                break;
            case Member.Source:
                // In an IPv4 route this is the preferred source address; in an IPv6 route, the source prefix
                // that it is for.
                _isUnusual |= token != JsonToken.String
                    || (_json.Text.Contains((byte)':') && !_json.Text.SequenceEqual("::/0"u8));
                break;
        }
    }

    private void OnRouteEnded()
    {
        if (_isDefault && !_isUnusual && _nextHop is { } hop
            && !_gateways.Exists(gateway => gateway.AddressFamily == hop.AddressFamily))
        {
            _gateways.Add(hop);
        }
    }

    private void OnNetworkEnded()
    {
        if (_isUp && _name is { Length: > 0 } name && _device is { } device && _networks.Count < MaxNetworks)
        {
            _networks.Add(new NetifdNetwork(
                name, device, [.. _servers], _hasMetric ? [] : [.. _gateways]));
        }
        BeginNetwork();
    }

    private bool TryReadAddress(JsonToken token, out IPAddress address)
    {
        address = IPAddress.None;
        return token == JsonToken.String && !_json.IsCut
            && LiteralAddress.TryParse(Encoding.UTF8.GetString(_json.Text), out address);
    }

    private static Member MemberOf(ReadOnlySpan<byte> name) =>
        name.SequenceEqual("interface"u8) ? Member.Interface
        : name.SequenceEqual("up"u8) ? Member.Up
        : name.SequenceEqual("l3_device"u8) ? Member.Device
        : name.SequenceEqual("dns-server"u8) ? Member.NameServers
        : name.SequenceEqual("metric"u8) ? Member.Metric
        : name.SequenceEqual("route"u8) ? Member.Routes
        : name.SequenceEqual("mask"u8) ? Member.Mask
        : name.SequenceEqual("nexthop"u8) ? Member.NextHop
        : name.SequenceEqual("source"u8) ? Member.Source
        : name.SequenceEqual("table"u8) || name.SequenceEqual("type"u8) ? Member.Unusual
        : Member.Other;
}
