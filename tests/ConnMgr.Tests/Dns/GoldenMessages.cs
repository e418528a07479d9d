namespace ConnMgr.Tests.Dns;

/// <summary>DNS messages as real servers send them, byte by byte. `#` starts a comment.</summary>
internal static class GoldenMessages
{
    /// <summary>The id of all replies in this class.</summary>
    public const ushort Id = 0x1a2b;

    /// <summary>echo.afero.io A: a CNAME and two addresses, names compressed.</summary>
    public static byte[] Chain => Hex("""
        1a2b 8180 0001 0003 0000 0000    # id, QR RD RA, 1 question, 3 answers
        04 6563686f 05 616665726f 02 696f 00   # offset 12: echo.afero.io
        0001 0001                        # A IN
        c00c 0005 0001 0000012c 000a     # offset 31: echo.afero.io CNAME, 300 s
          07 6563686f2d6575 c011         # offset 43: echo-eu.afero.io
        c02b 0001 0001 0000003c 0004     # echo-eu.afero.io A, 60 s
          c6336401                       # 198.51.100.1
        c02b 0001 0001 0000003c 0004
          c6336402                       # 198.51.100.2
        """);

    /// <summary>echo.afero.io AAAA: one address, no compression, an OPT record after the answer.</summary>
    public static byte[] Ipv6 => Hex("""
        1a2b 8180 0001 0001 0000 0001
        04 6563686f 05 616665726f 02 696f 00
        001c 0001                        # AAAA IN
        04 4543484f 05 414645524f 02 494f 00   # ECHO.AFERO.IO
        001c 0001 00000e10 0010          # AAAA IN, 3600 s
          20010db8 00000000 00000000 00000007
        00 0029 04d0 00000000 0000       # OPT, 1232 bytes
        """);

    /// <summary>echo.afero.io A: the name does not exist; with the SOA of the zone.</summary>
    public static byte[] NoSuchName => Hex("""
        1a2b 8583 0001 0000 0001 0000    # QR AA RD RA, rcode 3
        04 6563686f 05 616665726f 02 696f 00
        0001 0001
        c011 0006 0001 00000384 0016     # afero.io SOA, 900 s
          02 6e73 c011 00 00000001 00000e10 00000384 00093a80 00
        """);

    /// <summary>echo.afero.io A: the name exists, but has no A record.</summary>
    public static byte[] NoData => Hex("""
        1a2b 8180 0001 0000 0000 0000
        04 6563686f 05 616665726f 02 696f 00
        0001 0001
        """);

    /// <summary>echo.afero.io A: the server refuses.</summary>
    public static byte[] Refused => Hex("""
        1a2b 8105 0001 0000 0000 0000
        04 6563686f 05 616665726f 02 696f 00
        0001 0001
        """);

    /// <summary>echo.afero.io A: truncated (TC), with the one address that fitted.</summary>
    public static byte[] Truncated => Hex("""
        1a2b 8380 0001 0001 0000 0000
        04 6563686f 05 616665726f 02 696f 00
        0001 0001
        c00c 0001 0001 00000005 0004
          c6336409                       # 198.51.100.9
        """);

    /// <summary>echo.afero.io A, asked with EDNS and a cookie, as dig does.</summary>
    public static byte[] EdnsQuery => Hex("""
        1a2b 0120 0001 0000 0000 0001    # RD AD
        04 6563686f 05 616665726f 02 696f 00
        0001 0001
        00 0029 04d0 00000000 000c       # OPT
          000a 0008 1122334455667788     # cookie
        """);

    public static byte[][] All => [Chain, Ipv6, NoSuchName, NoData, Refused, Truncated, EdnsQuery];

    public static byte[] Hex(string text) => Convert.FromHexString(string.Concat(
        text.Split('\n').Select(
            line => string.Concat(line.Split('#')[0].Where(letter => !char.IsWhiteSpace(letter))))));
}
