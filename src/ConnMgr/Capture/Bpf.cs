using System.Runtime.InteropServices;

namespace ConnMgr.Capture;

/// <summary>
/// The constants of classic BPF, and of the packet metadata that its programs load. Each constant has the
/// same name as in its kernel header.
/// </summary>
internal static class Bpf
{
    // <linux/bpf_common.h>: instruction classes
    public const ushort BPF_LD = 0x00;
    public const ushort BPF_LDX = 0x01;
    public const ushort BPF_ST = 0x02;
    public const ushort BPF_ALU = 0x04;
    public const ushort BPF_JMP = 0x05;
    public const ushort BPF_RET = 0x06;
    public const ushort BPF_MISC = 0x07;

    // <linux/bpf_common.h>: sizes and modes of loads
    public const ushort BPF_W = 0x00;
    public const ushort BPF_H = 0x08;
    public const ushort BPF_B = 0x10;
    public const ushort BPF_IMM = 0x00;
    public const ushort BPF_ABS = 0x20;
    public const ushort BPF_IND = 0x40;
    public const ushort BPF_MEM = 0x60;
    public const ushort BPF_LEN = 0x80;
    public const ushort BPF_MSH = 0xa0;

    // <linux/bpf_common.h>: arithmetic and jumps, and their second operand
    public const ushort BPF_ADD = 0x00;
    public const ushort BPF_SUB = 0x10;
    public const ushort BPF_AND = 0x50;
    public const ushort BPF_LSH = 0x60;
    public const ushort BPF_RSH = 0x70;
    public const ushort BPF_JA = 0x00;
    public const ushort BPF_JEQ = 0x10;
    public const ushort BPF_JGT = 0x20;
    public const ushort BPF_JGE = 0x30;
    public const ushort BPF_JSET = 0x40;
    public const ushort BPF_K = 0x00;
    public const ushort BPF_X = 0x08;

    // <linux/bpf_common.h>, <linux/filter.h>: limits and transfers
    public const int BPF_MAXINSNS = 4096;
    public const ushort BPF_TAX = 0x00;
    public const ushort BPF_TXA = 0x80;

    // <linux/filter.h>: metadata of a packet
    public const int SKF_AD_OFF = -0x1000;
    public const int SKF_AD_PROTOCOL = 0;
    public const int SKF_AD_PKTTYPE = 4;
    public const int SKF_AD_MARK = 20;
    public const int SKF_AD_VLAN_TAG = 44;
    public const int SKF_AD_VLAN_TAG_PRESENT = 48;

    // <linux/if_packet.h>: values of SKF_AD_PKTTYPE
    public const uint PACKET_HOST = 0;
    public const uint PACKET_OUTGOING = 4;

    // <linux/if_ether.h>: values of SKF_AD_PROTOCOL
    public const ushort ETH_P_ALL = 0x0003;
    public const ushort ETH_P_IP = 0x0800;
    public const ushort ETH_P_IPV6 = 0x86dd;
}

/// <summary>One instruction, with the layout of `struct sock_filter` (&lt;linux/filter.h&gt;).</summary>
/// <param name="Code">Class, size or operation, mode or source.</param>
/// <param name="Jt">Instructions to skip if the condition holds.</param>
/// <param name="Jf">Instructions to skip if it does not.</param>
/// <param name="K">The operand.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct BpfInstruction(ushort Code, byte Jt, byte Jf, uint K);
