#!/bin/sh
# --audit: nothing is dropped, and the daemon lists what real clients use: curl, an MQTT client, apt, a CoAP
# client, a QUIC client (HTTP/3 of ngtcp2), an NTP client (chronyd), on the device and behind its bridge. The proposed whitelist, put in force,
# admits exactly these.
#
#   host 198.18.50.2 ──veth── br-apnet 198.18.50.1 device ── eth0 ── r-eth ── cloud 198.18.102.0/24 the services
# takes 40 s
. "$(dirname "$0")/lib.sh"
needs_option --audit

LAB_DNS="--cname=www.example,edge.cdn.test --host-record=edge.cdn.test,198.18.102.10 --host-record=broker.example,198.18.102.11
    --host-record=apt.example,198.18.102.12 --host-record=coap.example,198.18.102.13 --host-record=ntp.example,198.18.102.14
    --host-record=host.example,198.18.102.15 --host-record=known.example,198.18.102.16 --host-record=quic.example,198.18.102.17 --host-record=other.example,198.18.102.20"
FIREWALL=
lab_up
host_behind
ip -n cloud route add local 198.18.102.0/24 dev lo

# -- the services ---------------------------------------------------------------------------------------------------

# The servers and clients that Debian's packages start or configure are no prerequisites: those that are missing are left out.
has() { command -v "$1" >/dev/null; }
for program in mosquitto mosquitto_pub coap-server-notls coap-client-notls chronyd gtlsserver gtlsclient; do
    has "$program" || skip "$program is not installed"
done
mkdir -p "$LAB/www/apt"
: >"$LAB/www/apt/Packages"
echo hello >"$LAB/www/hello"
on cloud python3 -m http.server --directory "$LAB/www" 8080 >"$LAB/http.log" 2>&1 &
printf 'listener 1883 198.18.102.11\nallow_anonymous true\nuser root\n' >"$LAB/mosquitto.conf"
! has mosquitto || on cloud mosquitto -c "$LAB/mosquitto.conf" >"$LAB/mosquitto.log" 2>&1 &
! has coap-server-notls || on cloud coap-server-notls -A 198.18.102.13 >"$LAB/coap.log" 2>&1 &
quic() { has gtlsclient && has gtlsserver && has openssl; }
if quic; then
    openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=quic.example -keyout "$LAB/quic.key" -out "$LAB/quic.pem" 2>"$LAB/openssl.log"
    on cloud gtlsserver -q -d "$LAB/www" 198.18.102.17 443 "$LAB/quic.key" "$LAB/quic.pem" >"$LAB/quic.log" 2>&1 &
fi
cat >"$LAB/chrony.conf" <<END
bindaddress 198.18.102.14
allow all
local stratum 8
cmdport 0
bindcmdaddress /
pidfile $LAB/chronyd.pid
driftfile $LAB/chrony.drift
user root
END
! has chronyd || on cloud chronyd -d -x -f "$LAB/chrony.conf" >"$LAB/chrony.log" 2>&1 &
on device socat TCP4-LISTEN:2222,fork,reuseaddr EXEC:/bin/true >"$LAB/inward.log" 2>&1 &

# -- the clients ----------------------------------------------------------------------------------------------------

as_1234() { on device setpriv --reuid 1234 --clear-groups "$@"; }
by_curl() { as_1234 curl -sS --noproxy '*' --connect-timeout 2 "http://${1:-www.example}:8080/hello" | grep hello; }
by_mqtt() { on device timeout 4 mosquitto_pub -h broker.example -t audit -m hello; }
by_apt() {
    rm -rf "$LAB/apt"
    mkdir -p "$LAB/apt/lists/partial" "$LAB/apt/cache/archives/partial"
    echo 'deb [trusted=yes] http://apt.example:8080/apt ./' >"$LAB/apt/sources.list"
    on device timeout 10 apt-get -o Dir::Etc::SourceList="$LAB/apt/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::lists="$LAB/apt/lists" \
        -o Dir::Cache="$LAB/apt/cache" -o APT::Sandbox::User=root -o Acquire::http::Proxy=false -o Acquire::Retries=0 \
        -o Acquire::http::Timeout=2 --error-on=any update
}
by_coap() { on device coap-client-notls -B 2 -m get coap://coap.example/ | grep -i coap; }
by_quic() {
    rm -rf "$LAB/quic"
    mkdir "$LAB/quic"
    on device timeout 5 gtlsclient -q --exit-on-all-streams-close --download="$LAB/quic" quic.example 443 https://quic.example/hello >"$LAB/gtlsclient.log" 2>&1
    grep hello "$LAB/quic/hello"
}
by_ntp() {
    on device timeout 15 chronyd -Q -x -t 10 -f /dev/null 'user root' "pidfile $LAB/client.pid" 'cmdport 0' 'bindcmdaddress /' \
        'server ntp.example iburst maxsamples 1' 2>&1 | grep 'System clock wrong'
}
behind() { on host curl -sS --noproxy '*' --connect-timeout 2 "http://$1:8080/hello" | grep hello; }
comes_in() { on cloud socat -u OPEN:/dev/null TCP4:198.18.1.2:2222,connect-timeout=1; }

clients() {
    check "$1: curl" by_curl
    ! has mosquitto_pub || ! has mosquitto || check "$1: MQTT" by_mqtt
    check "$1: apt" by_apt
    ! has coap-client-notls || check "$1: CoAP" by_coap
    ! quic || check "$1: QUIC" by_quic
    ! has chronyd || check "$1: NTP" by_ntp
    check "$1: curl behind the bridge" behind host.example
    check "$1: curl to a whitelisted name" by_curl known.example
}

listed() { ask audit | grep -E -- "$1"; }
# The user is unknown if the socket is closed before the daemon looks it up: try again.
lists_curl() { listed '^not [0-9]+x uid 1234 -> www.example tcp 8080$' || { by_curl >"$LAB/again" && return 1; }; }
proposed() { ask audit --whitelist >"$LAB/proposed"; grep -v '^#' "$LAB/proposed" | sort; }
json_has_use() {
    ask audit --json >"$LAB/audit.json"
    python3 - "$LAB/audit.json" <<'END'
import json, sys
uses = json.load(open(sys.argv[1]))["uses"]
assert any(u["name"] == "www.example" and u["uid"] == 1234 and u["port"] == 8080 and u["covered"] is None for u in uses), uses
END
}
audited() { exits 3 ask status; }
script() { on device env -i PATH="$PATH" CONNMGR_CONFIG_DIR="$LAB/etc" CONNMGR_RUN_DIR="$LAB/run" "$@"; }

audit() {
    BACKEND=$1
    printf 'echo.example\nknown.example\n' >"$LAB/etc/whitelist"
    start_connmgr --audit
    wait_for 20 "$1: the log warns" log_has 'AUDIT: nothing is dropped, ready in'
    wait_for 10 "$1: eth0 is confirmed" state eth0 ITFUP_SS
    clients "$1, audit"
    check "$1, audit: an address without a name" behind 198.18.102.30
    check "$1, audit: a connection comes in" comes_in
    ask audit >"$LAB/audit"
    wait_for 20 "$1: curl's user, and the name that was asked for an alias" lists_curl
    ! has mosquitto_pub || ! has mosquitto || check "$1: MQTT" listed '^not [0-9]+x (uid 0|device) -> broker.example tcp 1883$'
    check "$1: apt" listed '^not [0-9]+x uid 0 -> apt.example tcp 8080$'
    ! has coap-client-notls || check "$1: CoAP" listed '^not [0-9]+x (uid 0|device) -> coap.example udp 5683$'
    ! quic || check "$1: QUIC" listed '^not [0-9]+x (uid 0|device) -> quic.example udp 443$'
    ! has chronyd || check "$1: NTP needs no entry" listed '^service [0-9]+x (uid 0|device) -> ntp.example udp 123$'
    check "$1: the host's name" listed '^not [0-9]+x host 198.18.50.2 -> host.example tcp 8080$'
    check "$1: the host's address" listed '^not [0-9]+x host 198.18.50.2 -> 198.18.102.30 tcp 8080$'
    check "$1: what the whitelist covers" listed '^whitelist [0-9]+x (uid 1234|device) -> known.example tcp 8080$'
    check "$1: what came in" listed '^not [0-9]+x 198.18.[0-9.]+ -> inward tcp 2222$'
    check "$1: as JSON" json_has_use
    proposed >"$LAB/names"
    {
        echo apt.example
        ! has mosquitto_pub || ! has mosquitto || echo broker.example
        ! has coap-client-notls || echo coap.example
        echo host.example
        ! quic || echo quic.example
        echo www.example
    } >"$LAB/wanted"
    check "$1: the proposed names" diff "$LAB/wanted" "$LAB/names"
    check "$1: the address as a comment" grep -x '# 198.18.102.30' "$LAB/proposed"
    check "$1: status ends with 3" audited
    check "$1: status says so" status_has '^firewall +AUDIT, NOT LOCKED: nothing is dropped, addresses by'
    check "$1: its JSON" status_is_valid
    check "$1: metrics" metrics_have '^connmgr_firewall_audit 1$'
    script "$REPO/scripts/init_firewall.sh" >"$LAB/said" 2>&1
    check "$1: a run of the script by hand keeps the audit" said_has '^audit: yes$'
    check "$1: still nothing is dropped" comes_in

    check "$1: it stops" stop_connmgr
    check "$1: the audit stays as long as nothing locks" comes_in
    cat "$LAB/proposed" >>"$LAB/etc/whitelist"
    start_connmgr
    wait_for 20 "$1: locked" log_has 'locked in [0-9]+ ms'
    wait_for 10 "$1: eth0 is confirmed again" state eth0 ITFUP_SS
    clients "$1, locked"
    check "$1, locked: no other name behind the bridge" not behind other.example
    check "$1, locked: no other name" not by_curl other.example
    check "$1, locked: no address without a name" not behind 198.18.102.30
    check "$1, locked: nothing comes in" not comes_in
    check "$1: no list without --audit" exits 69 ask audit
    check "$1: it stops again" stop_connmgr
    script "$REPO/scripts/boot_lockdown.sh" --audit --firewall "$1" --run-dir "$LAB/run" --config-dir "$LAB/etc" --script-dir "$REPO/scripts" >"$LAB/said" 2>&1
    check "$1: boot_lockdown.sh --audit drops nothing" comes_in
    script "$REPO/scripts/boot_lockdown.sh" --firewall "$1" --run-dir "$LAB/run" --config-dir "$LAB/etc" --script-dir "$REPO/scripts" >"$LAB/said" 2>&1
    check "$1: without it, it locks" not comes_in
    script "$REPO/scripts/fwcfg.sh" unlock >"$LAB/said" 2>&1
    check "$1: unlocked" comes_in
    rm -rf "$LAB/run"
}
audit nft
is_nft || audit iptables
