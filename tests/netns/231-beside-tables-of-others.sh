#!/bin/sh
# The lockdown by nft beside tables of other programs: firewalld's, Docker's with a container and a published port (made by
# iptables-nft), and one of the family bridge. Their accepts open nothing, what they drop is dropped, and their starts,
# reloads and stops are no changes of the lockdown. firewall.user opens the way of a container.
#
# rulesets/ has what the real programs loaded: firewalld 1.3.3 of Debian 12, br-apnet in the zone trusted, eth0 and the others in
# public (nft -s list ruleset); Docker 20.10.24, `network create lab --subnet 198.18.60.0/24 -o com.docker.network.bridge.name=dk0`
# and `run --network lab -p 8080:80` (iptables-save).
#
#   container 198.18.60.2 ──veth── dk0 198.18.60.1      device ── eth0 ── r-eth ── cloud
#   host 198.18.50.2 ──veth── br-apnet 198.18.50.1
# takes 40 s
. "$(dirname "$0")/lib.sh"

LAB_FIREWALL=nft
FIREWALL=
lab_up
host_behind
ip netns add container
ip -n device -batch - <<'END'
link add dk0 type bridge
link add dkport type veth peer name eth0 netns container
link set dkport master dk0 up
link set dk0 up
address add 198.18.60.1/24 dev dk0
END
ip -n container -batch - <<'END'
link set lo up
link set eth0 up
address add 198.18.60.2/24 dev eth0
route add default via 198.18.60.1
END
on container "$LABTOOL" echo 80 "$LAB/echo-mode" >"$LAB/container.log" 2>&1 &
on device "$LABTOOL" echo 7001 "$LAB/echo-mode" >"$LAB/device.log" 2>&1 &
poll 10 grep -q listening "$LAB/container.log"
poll 10 grep -q listening "$LAB/device.log"

# get HOST ADDRESS:PORT: connects.
get() { on "$1" socat -u OPEN:/dev/null "TCP4:$2,connect-timeout=1" 2>/dev/null; }
firewalld_up() { { echo 'table inet firewalld'; echo 'delete table inet firewalld'; cat "$NETNS_DIR/rulesets/firewalld-1.3.3.nft"; } | on device nft -f -; }
firewalld_down() { on device nft delete table inet firewalld; }
docker_up() { on device iptables-nft-restore <"$NETNS_DIR/rulesets/docker-20.10.24.iptables"; }
docker_down() { on device nft 'delete table ip filter; delete table ip nat'; }
bridge_up() {
    on device nft -f - <<'END'
table bridge others {
    chain input { type filter hook input priority -300; policy accept; accept; }
    chain forward { type filter hook forward priority 300; policy accept; accept; }
    chain output { type filter hook output priority -300; policy accept; accept; }
}
END
}
bridge_down() { on device nft delete table bridge others; }
repairs() { ask status --json >"$LAB/status.json" || [ $? -le 3 ]; python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["firewall"]["repairs"])' "$LAB/status.json"; }
undisturbed() { [ "$(repairs)" = 0 ]; }

# judged NAME [no]: what must hold beside NAME; "no": the host behind the bridge gets nowhere.
judged() {
    wait_for 5 "$1: the device reaches what is whitelisted" get device 198.18.100.10:80
    check "$1: and nothing else" not get device 198.18.100.8:80
    case ${2-} in
        no) check "$1: it drops what the host behind the bridge sends" not get host 198.18.100.10:80 ;;
        *) check "$1: the host behind the bridge reaches what is whitelisted" get host 198.18.100.10:80 ;;
    esac
    check "$1: and nothing else" not get host 198.18.100.8:80
    check "$1: nobody gets in" not get cloud 198.18.1.2:7001
    check "$1: the container gets nowhere" not get container 198.18.100.10:80
    check "$1: nobody reaches its published port" not get cloud 198.18.1.2:8080
}

docker_up
check "Docker alone: its container is published" get cloud 198.18.1.2:8080
check "and reaches all" get container 198.18.100.8:80
firewalld_up
echo 198.18.100.10 >"$LAB/etc/whitelist"
start_connmgr
wait_for 20 "locked beside both" log_has 'locked in [0-9]+ ms; addresses by nft'
wait_for 10 "eth0 is confirmed" state eth0 ITFUP_SS
judged "Docker, firewalld" no
# Docker's policy of FORWARD is DROP. Its documentation names DOCKER-USER for rules of one's own.
on device iptables-nft -I DOCKER-USER -i br-apnet -j ACCEPT
on device iptables-nft -I DOCKER-USER -o br-apnet -j ACCEPT
judged "Docker with rules in DOCKER-USER, firewalld"
wait_for 10 "the lockdown's second run is over" sh -c '! pgrep -f "[i]nit_firewall.sh"'
for _ in 1 2 3; do firewalld_up; done
docker_down
docker_up
bridge_up
check "reloaded, started again, and a table of the family bridge: that changed nothing of ours" undisturbed
docker_down
judged "firewalld, reloaded, and the bridge's table"
firewalld_down
bridge_down
judged "they have stopped"
check "that changed nothing of ours" undisturbed
on device nft delete table bridge connmgr
wait_for 5 "without our own table of the family bridge: restored" on device nft list table bridge connmgr

docker_up
cat >"$LAB/etc/firewall.user" <<'END'
nft add rule inet connmgr user_forward iifname dk0 oifname eth0 ip daddr 198.18.100.10 accept
nft add rule inet connmgr user_forward iifname eth0 oifname dk0 ct state established accept
nft add rule inet connmgr user_forward iifname eth0 oifname dk0 ct status dnat tcp dport 80 accept
nft add rule inet connmgr user_forward iifname dk0 oifname eth0 ct status dnat ct direction reply accept
END
check "firewall.user is read" ask reload
wait_for 20 "it opens the container's way to an address" get container 198.18.100.10:80
check "and to no other" not get container 198.18.100.8:80
wait_for 10 "its published port is open" get cloud 198.18.1.2:8080
check "nothing else is" not get cloud 198.18.1.2:7001
check "nor for the device" not get device 198.18.100.8:80
