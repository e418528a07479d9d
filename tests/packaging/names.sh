# shellcheck shell=sh disable=SC2154 # sourced by run.sh
# propose_netif_names in a simulated /sys/class/net.

sys=$work/net routes=$work/routes
# interface NAME [TYPE]: with a device behind it, unless TYPE is given.
interface() {
    mkdir -p "$sys/$1"
    echo "${2:-1}" >"$sys/$1/type"
    : >"$sys/$1/uevent"
    [ $# = 2 ] || : >"$sys/$1/device"
}
propose() { NET=$sys ROUTES=$routes "$repo/scripts/propose_netif_names" >"$work/said"; }
proposes() { grep -qE "^$1_INTERFACE_0='$2'( |\$)" "$work/said"; }
printf 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n' >"$routes"

interface lo 772
check "names: nothing but lo" propose
check "names: the defaults" proposes ETH eth0
check "names: none of them is said to be present" not grep -q '# present' "$work/said"
interface enp1s0
interface enp2s0
interface wlp3s0; : >"$sys/wlp3s0/wireless"
interface wwp0s20f0u2; echo 'DEVTYPE=wwan' >"$sys/wwp0s20f0u2/uevent"
interface docker0 1; mkdir "$sys/docker0/bridge"
interface veth12ab 1
interface enp1s0.7 1; echo 'DEVTYPE=vlan' >"$sys/enp1s0.7/uevent"
interface 'bad name'
printf 'enp2s0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\nenp1s0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\n' >>"$routes"
check "names: a usual machine" propose
check "names: the Ethernet with a default route" proposes ETH enp2s0
check "names: its Wi-Fi" proposes WIFISTA wlp3s0
check "names: its modem" proposes WAN wwp0s20f0u2
check "names: those are present" test "$(grep -c "_INTERFACE_0='.*' # present$" "$work/said")" = 3
check "names: the access point and the bridge are not" test "$(grep -c "_INTERFACE_0='.*' # not present" "$work/said")" = 2
check "names: the other Ethernet is proposed, not managed" grep -q "^#ETH_INTERFACE_1='enp1s0' # present, not managed" "$work/said"
check "names: no VLAN, no bridge" not grep -qE 'enp1s0\.7|docker0' "$work/said"
cp "$work/said" "$work/netif_names"
for shell in sh 'busybox ash'; do
    check "names: $shell: get_netif_names reads it" sh -c "CONNMGR_CONFIG_DIR='$work' $shell '$repo/scripts/get_netif_names' |
        grep -qx \"WAN_INTERFACE_0='wwp0s20f0u2'\""
done

interface enp4s0
printf '%s\t00000000\t0101A8C0\t0003\t0\t0\t200\t00000000\n' enp4s0 wwp0s20f0u2 >>"$routes"
check "names: another Ethernet with a default route" propose
check "names: it is the second link of its kind" grep -q "^ETH_INTERFACE_1='enp4s0' # present" "$work/said"
check "names: the first is as before" proposes ETH enp2s0
check "names: one without such a route has the next number" grep -q "^#ETH_INTERFACE_2='enp1s0' # present, not managed" "$work/said"
cp "$work/said" "$work/netif_names"
check "names: get_netif_names reads it" sh -c "CONNMGR_CONFIG_DIR='$work' '$repo/scripts/get_netif_names' | grep -qx \"ETH_INTERFACE_1='enp4s0'\""
