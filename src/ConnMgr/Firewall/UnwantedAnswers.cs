using System.Runtime.InteropServices;
using ConnMgr.Dns;
using ConnMgr.Net;

namespace ConnMgr.Firewall;

/// <summary>
/// The last answers that opened nothing, because no whitelisted name led to their names, or because their
/// server was not trusted. A resolver's cache keeps serving them, so they are judged again when the
/// whitelist, the servers or the aliases change. Pure; times are monotonic.
/// </summary>
/// <remarks>
/// At most <see cref="MaxAnswers"/>; a further one replaces the oldest. Each has at most <see
/// cref="MaxAddresses"/> addresses and <see cref="MaxAliases"/> aliases. In all about 0.2 MB with usual names
/// and 1.7 MB with the longest ones. An answer is kept for its TTL, at least 300 s.
/// </remarks>
internal sealed class UnwantedAnswers
{
    public const int MaxAnswers = 512;
    public const int MaxAddresses = 16;
    public const int MaxAliases = 4;

    private const int LeastTtl = 300; // seconds

    private readonly Answer?[] _answers = new Answer?[MaxAnswers];
    private readonly List<DnsAddress> _addresses = [];
    private readonly List<DnsAlias> _aliases = [];
    private int _next;

    /// <summary>Opens the addresses of an answer if it is wanted now.</summary>
    /// <returns>True if it is wanted, and needs no further judgement.</returns>
    internal delegate bool Judgement(in DnsAnswer answer);

    /// <summary>Stores an answer, in place of an older one to the same question.</summary>
    public void Add(in DnsAnswer answer, TimeSpan now)
    {
        if (answer.Addresses.IsEmpty && answer.Aliases.IsEmpty)
        {
            return;
        }
        int hash = HashCode.Combine(answer.Question.Name.GetHashCode(),
            answer.Question.Type, answer.IsOfDevice);
        for (int i = 0; i < MaxAnswers; i++)
        {
            if (_answers[i] is { } old && old.Hash == hash)
            {
                _answers[i] = new Answer(hash, answer, now);
                return;
            }
        }
        _answers[_next] = new Answer(hash, answer, now);
        _next = (_next + 1) % MaxAnswers;
    }

    /// <summary>Judges every answer again, until no answer makes another wanted.</summary>
    /// <param name="now">The loop's time.</param>
    /// <param name="judge">Judges each.</param>
    public void JudgeAgain(TimeSpan now, Judgement judge)
    {
        bool isProgress = true;
        for (int round = 0; isProgress && round < AliasTable.MaxSteps; round++)
        {
            isProgress = false;
            for (int i = 0; i < MaxAnswers; i++)
            {
                if (_answers[i] is not { } answer)
                {
                    continue;
                }
                if (answer.Until <= now)
                {
                    _answers[i] = null;
                }
                else if (Judge(answer, now, judge))
                {
                    _answers[i] = null;
                    isProgress = true;
                }
            }
        }
    }

    private bool Judge(Answer answer, TimeSpan now, Judgement judge)
    {
        uint age = (uint)(now - answer.At).TotalSeconds;
        _addresses.Clear();
        _aliases.Clear();
        Span<byte> bytes = stackalloc byte[16];
        foreach ((IpNumber address, uint ttl) in answer.Addresses)
        {
            _addresses.Add(new DnsAddress(bytes[..address.Write(bytes)], Left(ttl, age)));
        }
        foreach ((byte[] owner, byte[] target, uint ttl) in answer.Aliases)
        {
            _aliases.Add(new DnsAlias(NameOf(owner), NameOf(target), Left(ttl, age)));
        }
        return judge(new DnsAnswer(
            new DnsQuestion(NameOf(answer.Name), answer.Type),
            CollectionsMarshal.AsSpan(_addresses), CollectionsMarshal.AsSpan(_aliases),
            answer.Server, answer.IsOfDevice));
    }

    private static uint Left(uint ttl, uint age) => ttl > age ? ttl - age : 0;

    private static DnsName NameOf(byte[] wire)
    {
        DnsReader reader = new(wire);
        _ = DnsName.TryRead(ref reader, out DnsName name);
        return name;
    }

    private sealed class Answer
    {
        public Answer(int hash, in DnsAnswer answer, TimeSpan now)
        {
            Hash = hash;
            Name = answer.Question.Name.Wire.ToArray();
            Type = answer.Question.Type;
            Server = answer.Server;
            IsOfDevice = answer.IsOfDevice;
            At = now;
            uint ttl = LeastTtl;
            Addresses = new (IpNumber, uint)[Math.Min(answer.Addresses.Length, MaxAddresses)];
            for (int i = 0; i < Addresses.Length; i++)
            {
                _ = IpNumber.TryRead(answer.Addresses[i].Bytes, out IpNumber number);
                Addresses[i] = (number, answer.Addresses[i].Ttl);
                ttl = Math.Max(ttl, answer.Addresses[i].Ttl);
            }
            Aliases = new (byte[], byte[], uint)[Math.Min(answer.Aliases.Length, MaxAliases)];
            for (int i = 0; i < Aliases.Length; i++)
            {
                ref readonly DnsAlias alias = ref answer.Aliases[i];
                Aliases[i] = (alias.Owner.Wire.ToArray(), alias.Target.Wire.ToArray(), alias.Ttl);
                ttl = Math.Max(ttl, alias.Ttl);
            }
            Until = now + TimeSpan.FromSeconds(ttl);
        }

        public int Hash { get; }

        public byte[] Name { get; }

        public ushort Type { get; }

        public IpNumber Server { get; }

        public bool IsOfDevice { get; }

        public TimeSpan At { get; }

        public TimeSpan Until { get; }

        public (IpNumber Address, uint Ttl)[] Addresses { get; }

        public (byte[] Owner, byte[] Target, uint Ttl)[] Aliases { get; }
    }
}
