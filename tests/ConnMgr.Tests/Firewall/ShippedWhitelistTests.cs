using ConnMgr.Config;
using ConnMgr.Dns;
using ConnMgr.Firewall;

namespace ConnMgr.Tests.Firewall;

public class ShippedWhitelistTests
{
    [Theory]
    [InlineData(
        "whitelist.prod",
        "conclave.afero.io echo.afero.io content.afero.io squirrel.usw2prod.afero.io otacdn.afero.io "
            + "otacdn-2.eu.afero.io aft.afero.io new.afero.io", "conclave.afero.io.example")]
    [InlineData(
        "whitelist.dev",
        "conclave.dev.afero.io echo.afero.io echo.dev.afero.io squirrel.dev.afero.io otacdn-2.dev.afero.io "
            + "aft.afero.io new.afero.io", "afero.io.example")]
    public void It_is_faultless_and_has_the_services_of_its_deployment(
        string file, string wanted, string unwanted)
    {
        List<Remark> remarks = [];
        Whitelist whitelist = WhitelistReader.Read(
            File.ReadAllBytes(Path.Combine(Repository.Root, "whitelist", file)), remarks, remarks);
        Assert.Empty(remarks);
        Assert.All(wanted.Split(' '), name => Assert.True(IsWanted(whitelist, name), name));
        Assert.False(IsWanted(whitelist, unwanted));
        Assert.False(IsWanted(whitelist, "afero.io"));
    }

    private static bool IsWanted(Whitelist whitelist, string name) =>
        DnsName.TryParse(name, out DnsName parsed) && whitelist.IsWanted(parsed, out _);
}
