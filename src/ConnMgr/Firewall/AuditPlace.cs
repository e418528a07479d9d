using ConnMgr.Net;
using ConnMgr.Netlink;

namespace ConnMgr.Firewall;

/// <summary>
/// Knows the addresses of the device, and finds out which side began a connection. Pure.
/// </summary>
internal sealed class AuditPlace
{
    private readonly NameTable _own = new();
    private readonly List<DeviceAddress> _bridge = [];

    /// <summary>Adds an address of the device.</summary>
    public void Add(DeviceAddress address, bool isBridge)
    {
        Span<byte> bytes = stackalloc byte[16];
        _ = _own.TryAdd(bytes[..IpNumber.Of(address.Address).Write(bytes)], out _);
        if (isBridge)
        {
            _bridge.Add(address);
        }
    }

    /// <summary>
    /// Finds out which side began a connection. False if both ends are the device itself, or both are
    /// behind the bridge.
    /// </summary>
    public bool TryFind(IpNumber source, IpNumber destination, out AuditSource found)
    {
        bool isFromDevice = IsOwn(source);
        bool isToDevice = IsOwn(destination);
        bool isFromBridge = !isFromDevice && IsBehind(source);
        bool isToBridge = !isToDevice && IsBehind(destination);
        found = isFromDevice ? AuditSource.Device
            : isToDevice ? isFromBridge ? AuditSource.HostInward : AuditSource.Inward
            : isToBridge ? AuditSource.Inward
            : AuditSource.Host;
        return !(isFromDevice && isToDevice) && !(isFromBridge && isToBridge);
    }

    private bool IsOwn(IpNumber address)
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes = bytes[..address.Write(bytes)];
        return (address.IsIpv4 && bytes[0] == 127) || _own.Find(bytes, NameTable.Hash(bytes)) >= 0;
    }

    private bool IsBehind(IpNumber address)
    {
        foreach (DeviceAddress own in _bridge)
        {
            if (address.IsIn(own.Prefix))
            {
                return true;
            }
        }
        return false;
    }
}
