using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using ConnMgr.Capture;
using static ConnMgr.Capture.Bpf;
using Label = ConnMgr.Capture.BpfAssembler.Label;

namespace ConnMgr.Tests.Capture;

public sealed class BpfAssemblerTests
{
    /// <summary>Formats a program as `tcpdump -y RAW -dd` does.</summary>
    [Fact]
    public void Instructions_are_encoded_as_the_kernel_expects_them()
    {
        BpfAssembler bpf = new();
        Label accept = new();
        Label reject = new();
        bpf.LoadAncillary(SKF_AD_PKTTYPE);
        bpf.JumpIf(BPF_JEQ, PACKET_OUTGOING, then: reject);
        bpf.Load(BPF_B, 9);
        bpf.LoadIndexHeaderLength(0);
        bpf.LoadIndirect(BPF_H, 2);
        bpf.JumpIf(BPF_JSET, 0xff, then: accept, otherwise: reject);
        bpf.LoadIndexImmediate(40);
        bpf.LoadLength();
        bpf.JumpIfIndex(BPF_JGE, otherwise: reject);
        bpf.Compute(BPF_AND, 0xf0);
        bpf.ComputeWithIndex(BPF_SUB);
        bpf.StoreScratch(3);
        bpf.LoadScratch(3);
        bpf.CopyToIndex();
        bpf.CopyFromIndex();
        bpf.LoadImmediate(7);
        bpf.Jump(accept);
        bpf.Mark(reject);
        bpf.Return(0);
        bpf.Mark(accept);
        bpf.Return(128);

        string text = string.Join('\n', bpf.Assemble().Select(i => $"{i.Code:x2} {i.Jt} {i.Jf} {i.K:x8}"));

        Assert.Equal(
            """
            20 0 0 fffff004
            15 15 0 00000004
            30 0 0 00000009
            b1 0 0 00000000
            48 0 0 00000002
            45 12 11 000000ff
            01 0 0 00000028
            80 0 0 00000000
            3d 0 8 00000000
            54 0 0 000000f0
            1c 0 0 00000000
            02 0 0 00000003
            60 0 0 00000003
            07 0 0 00000000
            87 0 0 00000000
            00 0 0 00000007
            05 0 0 00000001
            06 0 0 00000000
            06 0 0 00000080
            """,
            text);
    }

    [Theory]
    [InlineData(255, true)]
    [InlineData(256, false)]
    public void A_conditional_jump_beyond_255_instructions_is_an_error(int distance, bool isAllowed)
    {
        BpfAssembler bpf = new();
        Label far = new();
        bpf.JumpIf(BPF_JEQ, 1, then: far);
        Fill(bpf, distance);
        bpf.Mark(far);
        bpf.Return(1);

        Assert.Equal(isAllowed, Record.Exception(bpf.Assemble) is not InvalidOperationException);
    }

    [Fact]
    public void An_unconditional_jump_reaches_the_end_of_the_longest_program()
    {
        BpfAssembler bpf = new();
        Label far = new();
        bpf.Jump(far);
        Fill(bpf, BPF_MAXINSNS - 2);
        bpf.Mark(far);
        bpf.Return(1);

        using KernelFilter filter = new(bpf.Assemble());
        Assert.Equal(1, filter.Judge([1, 2, 3]));
    }

    [Fact]
    public void What_the_kernel_would_refuse_is_an_error()
    {
        BpfAssembler empty = new();
        BpfAssembler tooLong = new();
        Fill(tooLong, BPF_MAXINSNS + 1);

        BpfAssembler backward = new();
        Label start = new();
        backward.Mark(start);
        backward.Return(0);
        backward.Jump(start);

        BpfAssembler unmarked = new();
        unmarked.Jump(new Label());

        BpfAssembler behindTheEnd = new();
        Label end = new();
        behindTheEnd.Jump(end);
        behindTheEnd.Mark(end);

        foreach (BpfAssembler bpf in (BpfAssembler[])[empty, tooLong, backward, unmarked, behindTheEnd])
        {
            Assert.Throws<InvalidOperationException>(bpf.Assemble);
        }
    }

    [Fact]
    public void Constants_are_those_of_the_headers()
    {
        string asserts = string.Concat(
            from field in typeof(Bpf).GetFields(BindingFlags.Static | BindingFlags.Public)
            select $"_Static_assert({field.Name} == {field.GetRawConstantValue()}, \"{field.Name}\");\n");
        string source = $"""
            #include <linux/filter.h>
            #include <linux/if_ether.h>
            #include <linux/if_packet.h>
            {asserts}
            _Static_assert(sizeof(struct sock_filter) == {Marshal.SizeOf<BpfInstruction>()}, "");

            """;
        using Process cc = Process.Start(new ProcessStartInfo("cc", ["-x", "c", "-fsyntax-only", "-"])
        {
            RedirectStandardInput = true,
            RedirectStandardError = true,
        })!;
        cc.StandardInput.Write(source);
        cc.StandardInput.Close();
        string errors = cc.StandardError.ReadToEnd();
        cc.WaitForExit();
        Assert.True(cc.ExitCode == 0, errors);
    }

    private static void Fill(BpfAssembler bpf, int instructions)
    {
        for (int i = 0; i < instructions; i++)
        {
            bpf.Return(0);
        }
    }
}
