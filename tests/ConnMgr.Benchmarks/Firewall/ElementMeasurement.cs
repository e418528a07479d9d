using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using ConnMgr.Dns;
using ConnMgr.Firewall;
using ConnMgr.Native;
using ConnMgr.Net;

namespace ConnMgr.Benchmarks.Firewall;

/// <summary>
/// Measures the time from a reply to its element in the kernel, with sets of 10, 1,000 and 30,000 elements,
/// in nf_tables beside ipset: read the reply, learn its address, add the element, receive the
/// acknowledgement. Both are measured in turns, so that what else the machine does disturbs both alike. Needs
/// root, and must run in a network namespace of its own (`unshare --net`).
/// </summary>
internal static class ElementMeasurement
{
    private const int Rounds = 2000; // with the rest fewer than the daemon keeps: 32,768
    private const int WarmUp = 500;
    private const int Turn = 50; // additions before the other backend's turn

    /// <summary>A kind of set: does what the effects say.</summary>
    private delegate void Applier(ReadOnlySpan<HoleEffect> effects);

    /// <summary>Prints one line for each number of elements.</summary>
    public static void Run()
    {
        Console.WriteLine("elements: nft median, p99; ipset median, p99; ratio of the medians, of the p99");
        foreach (int count in (int[])[10, 1000, 30000])
        {
            using NftSetSocket nft = NftSetSocket.Open(out KernelError why)
                ?? throw new InvalidOperationException(why.ToString());
            using AddressSetSocket ipset = AddressSetSocket.Open(out KernelError error)
                ?? throw new InvalidOperationException(error.ToString());
            Device byNft = new(effects => nft.Apply(effects, (prefix, _) => Fail(prefix)), count);
            Device byIpset = new(effects => ipset.Apply(effects, (prefix, _) => Fail(prefix)), count);
            for (int i = 0; i < WarmUp + Rounds; i += Turn)
            {
                byNft.Take(Turn, isMeasured: i >= WarmUp);
                byIpset.Take(Turn, isMeasured: i >= WarmUp);
            }
            (double median, double late) = byNft.Result();
            (double ipsetMedian, double ipsetLate) = byIpset.Result();
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{count}: {median:F1}, {late:F1} us; {ipsetMedian:F1}, {ipsetLate:F1} us; "
                + $"{median / ipsetMedian:F2}, {late / ipsetLate:F2}"));
            nft.DeleteTable();
            Process.Start("ipset", "destroy").WaitForExit();
        }
    }

    /// <summary>
    /// Prints how long it takes to close so many prefixes at once, as a reload does, in total and for each.
    /// </summary>
    public static void ClosePrefixes()
    {
        foreach (int count in (int[])[10, 1000, 10000])
        {
            using NftSetSocket nft = NftSetSocket.Open(out KernelError why)
                ?? throw new InvalidOperationException(why.ToString());
            List<HoleEffect> effects = [];
            for (uint i = 0; i < count; i++)
            {
                IpPrefix prefix = new(new IpNumber((ulong)0xffff_c612_0000 + (i << 2)), 31); // 198.18.0.0/15
                effects.Add(new HoleEffect(HoleAction.Open, prefix, 0));
            }
            nft.Apply(CollectionsMarshal.AsSpan(effects), (prefix, _) => Fail(prefix));
            effects = effects.ConvertAll(opened => opened with { Action = HoleAction.Revoke });
            long began = Stopwatch.GetTimestamp();
            nft.Apply(CollectionsMarshal.AsSpan(effects), (prefix, _) => Fail(prefix));
            double time = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{count} prefixes closed: {time:F1} ms, {time * 1000 / count:F1} us each"));
            nft.DeleteTable();
        }
    }

    private static void Fail(IpPrefix prefix) => throw new InvalidOperationException($"{prefix} was refused");

    /// <summary>What the daemon holds for one backend, and the times of its replies.</summary>
    private sealed class Device
    {
        // n.wild.example, one address.
        private readonly byte[] _reply = Convert.FromHexString(
            "1a2b81800001000100000000016e0477696c64076578616d706c650000010001"
            + "c00c0001000100000e100004c6120000");

        private readonly DnsAddress[] _addresses = new DnsAddress[8];
        private readonly List<HoleEffect> _effects = [];
        private readonly List<double> _times = new(Rounds);
        private readonly Applier _apply;
        private readonly Holes _holes = new(
            WhitelistReader.Read(Encoding.ASCII.GetBytes("*.wild.example"), [], []));

        private readonly DnsName _name;
        private readonly DnsQuestion _question;
        private uint _next = 0xc6120001; // 198.18.0.1

        public Device(Applier apply, int count)
        {
            _apply = apply;
            if (!DnsName.TryParse("n.wild.example", out _name))
            {
                throw new InvalidOperationException();
            }
            _question = new DnsQuestion(_name, DnsType.A);
            for (int i = 0; i < count; i++)
            {
                Answer();
            }
        }

        /// <summary>Takes replies, each with a new address, and deletes its element afterwards.</summary>
        public void Take(int count, bool isMeasured)
        {
            for (int i = 0; i < count; i++)
            {
                long began = Stopwatch.GetTimestamp();
                Answer();
                double time = Stopwatch.GetElapsedTime(began).TotalMicroseconds;
                if (isMeasured)
                {
                    _times.Add(time);
                }
                HoleEffect opened = _effects[0];
                _apply([opened with { Action = HoleAction.Close }]);
            }
        }

        public (double Median, double Late) Result()
        {
            _times.Sort();
            return (_times[_times.Count / 2], _times[_times.Count * 99 / 100]);
        }

        private void Answer()
        {
            BinaryPrimitives.WriteUInt32BigEndian(_reply.AsSpan(_reply.Length - 4), _next++);
            _effects.Clear();
            int found = DnsReply.Read(_reply, 0x1a2b, _question, _addresses).Count;
            if (found != 1 || !IpNumber.TryRead(_addresses[0].Bytes, out IpNumber address)
                || _holes.Learn(_name, address, 3600, TimeSpan.Zero, _effects) != HoleOutcome.Added)
            {
                throw new InvalidOperationException("the reply was not learned");
            }
            _apply(CollectionsMarshal.AsSpan(_effects));
        }
    }
}
