using static ConnMgr.Capture.Bpf;

namespace ConnMgr.Capture;

/// <summary>
/// Assembles a classic BPF program, one instruction per call; jumps go to labels. The machine has an
/// accumulator A, an index X and 16 scratch cells, and jumps forward only
/// (Documentation/networking/filter.rst of the kernel). A load beyond the end of the packet ends the program
/// with 0.
/// </summary>
/// <remarks>
/// A conditional jump reaches 255 instructions, since its offset has one byte; <see cref="Assemble"/> throws
/// if the label is farther away. <see cref="Jump(Label)"/> reaches any label.
/// </remarks>
internal sealed class BpfAssembler
{
    private readonly List<BpfInstruction> _program = [];
    private readonly List<(int From, Label? Then, Label? Otherwise)> _jumps = [];

    /// <summary>A position in the program. Mark it once.</summary>
    public sealed class Label
    {
        internal int? Position { get; set; }
    }

    /// <summary>A = packet[offset], of size BPF_B, BPF_H or BPF_W, in host order.</summary>
    public void Load(ushort size, int offset) => Emit(BPF_LD | BPF_ABS | size, offset);

    /// <summary>A = packet[X + offset].</summary>
    public void LoadIndirect(ushort size, int offset) => Emit(BPF_LD | BPF_IND | size, offset);

    /// <summary>A = metadata of the packet, one of SKF_AD_*.</summary>
    public void LoadAncillary(int what) => Emit(BPF_LD | BPF_ABS | BPF_W, SKF_AD_OFF + what);

    /// <summary>
    /// Rejects frames of a VLAN: they belong to another interface. A tag with VID 0 carries a priority only
    /// (IEEE 802.1Q section 9.6), and the kernel treats the frame as untagged. Changes A.
    /// </summary>
    public void RejectVlans()
    {
        Label isOurs = new();
        LoadAncillary(SKF_AD_VLAN_TAG_PRESENT);
        JumpIf(BPF_JEQ, 0, then: isOurs);
        LoadAncillary(SKF_AD_VLAN_TAG);
        RejectIf(BPF_JSET, 0x0fff);
        Mark(isOurs);
    }

    /// <summary>A = the length of the packet, captured or not.</summary>
    public void LoadLength() => Emit(BPF_LD | BPF_LEN | BPF_W, 0);

    /// <summary>A = k.</summary>
    public void LoadImmediate(uint k) => Emit(BPF_LD | BPF_IMM, k);

    /// <summary>A = a scratch cell, 0 to 15.</summary>
    public void LoadScratch(int cell) => Emit(BPF_LD | BPF_MEM, cell);

    /// <summary>A scratch cell, 0 to 15, = A.</summary>
    public void StoreScratch(int cell) => Emit(BPF_ST, cell);

    /// <summary>X = k.</summary>
    public void LoadIndexImmediate(uint k) => Emit(BPF_LDX | BPF_IMM, k);

    /// <summary>X = 4 * (packet[offset] &amp; 15): the length of an IPv4 header.</summary>
    public void LoadIndexHeaderLength(int offset) => Emit(BPF_LDX | BPF_MSH | BPF_B, offset);

    /// <summary>X = A.</summary>
    public void CopyToIndex() => Emit(BPF_MISC | BPF_TAX, 0);

    /// <summary>A = X.</summary>
    public void CopyFromIndex() => Emit(BPF_MISC | BPF_TXA, 0);

    /// <summary>A = A op k, where op is BPF_ADD, BPF_AND and so on.</summary>
    public void Compute(ushort op, uint k) => Emit(BPF_ALU | BPF_K | op, k);

    /// <summary>A = A op X.</summary>
    public void ComputeWithIndex(ushort op) => Emit(BPF_ALU | BPF_X | op, 0);

    /// <summary>Jumps to the label, at any distance.</summary>
    public void Jump(Label target)
    {
        _jumps.Add((_program.Count, target, target));
        Emit(BPF_JMP | BPF_JA, 0);
    }

    /// <summary>
    /// Compares A with k; op is BPF_JEQ, BPF_JGT, BPF_JGE or BPF_JSET. A missing label means the next
    /// instruction.
    /// </summary>
    public void JumpIf(ushort op, uint k, Label? then = null, Label? otherwise = null)
    {
        _jumps.Add((_program.Count, then, otherwise));
        Emit(BPF_JMP | BPF_K | op, k);
    }

    /// <summary>Compares A with X; otherwise like <see cref="JumpIf"/>.</summary>
    public void JumpIfIndex(ushort op, Label? then = null, Label? otherwise = null)
    {
        _jumps.Add((_program.Count, then, otherwise));
        Emit(BPF_JMP | BPF_X | op, 0);
    }

    /// <summary>Ends the program: keeps this many bytes of the packet; 0 drops it.</summary>
    public void Return(uint bytes) => Emit(BPF_RET | BPF_K, bytes);

    /// <summary>Drops the packet if the comparison of A with k holds.</summary>
    public void RejectIf(ushort op, uint k)
    {
        Label goOn = new();
        JumpIf(op, k, otherwise: goOn);
        Return(0);
        Mark(goOn);
    }

    /// <summary>Drops the packet unless the comparison of A with k holds.</summary>
    public void RejectUnless(ushort op, uint k)
    {
        Label goOn = new();
        JumpIf(op, k, then: goOn);
        Return(0);
        Mark(goOn);
    }

    /// <summary>Drops the packet unless the comparison of A with X holds.</summary>
    public void RejectUnlessIndex(ushort op)
    {
        Label goOn = new();
        JumpIfIndex(op, then: goOn);
        Return(0);
        Mark(goOn);
    }

    /// <summary>Places the label at the next instruction.</summary>
    public void Mark(Label label) => label.Position = _program.Count;

    /// <summary>Returns the finished program.</summary>
    /// <exception cref="InvalidOperationException">
    /// A label is unmarked, before its jump or too far away, or the program exceeds BPF_MAXINSNS.
    /// </exception>
    public BpfInstruction[] Assemble()
    {
        if (_program.Count is 0 or > BPF_MAXINSNS)
        {
            throw new InvalidOperationException(
                $"BPF: {_program.Count} instructions, must be 1 to {BPF_MAXINSNS}");
        }

        BpfInstruction[] program = [.. _program];
        foreach ((int from, Label? then, Label? otherwise) in _jumps)
        {
            bool isFar = program[from].Code == (BPF_JMP | BPF_JA);
            int limit = isFar ? BPF_MAXINSNS : byte.MaxValue;
            int jt = Distance(from, then, limit);
            int jf = Distance(from, otherwise, limit);
            program[from] = isFar
                ? program[from] with { K = (uint)jt }
                : program[from] with { Jt = (byte)jt, Jf = (byte)jf };
        }
        return program;
    }

    private int Distance(int from, Label? target, int limit)
    {
        if (target is null)
        {
            return 0;
        }
        int to = target.Position ?? throw new InvalidOperationException("BPF: label is not marked");
        int distance = to - from - 1;
        bool isReachable = distance >= 0 && distance <= limit && to < _program.Count;
        return isReachable
            ? distance
            : throw new InvalidOperationException($"BPF: jump of {distance} at {from}, must be 0 to {limit}");
    }

    private void Emit(int code, int k) => Emit(code, unchecked((uint)k));

    private void Emit(int code, uint k) => _program.Add(new BpfInstruction((ushort)code, 0, 0, k));
}
