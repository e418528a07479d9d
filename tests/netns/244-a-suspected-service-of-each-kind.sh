#!/bin/sh
# A service that has not answered correctly over any link since the start is suspected, of whatever kind and family: it answers wrongly,
# it refuses, its name does not exist, it is silent. Log and status warn once, no link fails, ping decides. When it answers correctly,
# the links are confirmed; from then on the same wrong answer is a portal, and the link fails. 245 does the same without IPv4.
# takes 80 s
. "$(dirname "$0")/lib.sh"

lab_up
echo_mode refuse # port 80 is for the services of this test
# serves MODE[:udp]: the service at port 80 answers so from now on.
serves() {
    # shellcheck disable=SC2086 # words
    if [ -n "${SERVICE:-}" ]; then
        kill $SERVICE
        wait $SERVICE 2>"$LAB/last" || :
    fi
    SERVICE=
    for lab_address in 198.18.100.11 2001:db8:100::11; do
        : >"$LAB/probed.$lab_address"
        nsenter --net=/run/netns/cloud /usr/bin/python3 "$NETNS_DIR/probed.py" "$lab_address" "80:$1" >"$LAB/probed.$lab_address" 2>&1 &
        SERVICE="$SERVICE $!"
        poll 10 grep -q listening "$LAB/probed.$lab_address"
    done
}
starts() {
    PROBES="--probe $1" start_connmgr --idle 2 --resolver 2001:db8:100::53 --ping 2001:db8:100::8
    URL=${1%%#*}
}
warned() { log_has "^<4> ?'$(echo "$URL" | sed 's/[][]/\\&/g')[^']*' has not answered correctly over any link since the start"; }
suspected() { ask status | tr -s ' \n' '  ' | grep -F "service $URL" && ask status | tr -s ' \n' '  ' | grep -E "not answered correctly over any link[^:]*: ping decides"; }
counts_like_ping() { ask status | tr -s ' \n' '  ' | grep 'counts like ping'; }
asked_again() { [ "$(probes eth0)" -ge 2 ]; }
in_use_here() { if [ "$FAMILY" = IPv4 ]; then in_use "$1"; else in_use6 "$1"; fi; }
redirects() { ask status | tr -s ' \n' '  ' | grep -E 'eth0 ITFUP_SF .*redirects to "http://portal\.example'; }
confirmed() { state eth0 ITFUP_SS && state wlan0 ITFUP_SS; }
failed_wrongly() { log_has '^<[0-7]> ?eth0: ITFUP_S[SU] -> ITFUP_SF: .*(does not speak|redirects|something else)'; }
# is_suspected WHAT: until the second probe of eth0 nothing has failed, and the warning is one.
is_suspected() {
    wait_for 10 "$1: the log warns" warned
    check "$1: so does status" suspected
    wait_for 10 "$1: eth0 is probed again" asked_again
    check "$1: no link has failed" not log_has ' -> ITFUP_SF'
    check "$1: eth0 is in use" in_use_here eth0
    check "$1: there was one warning" test "$(grep -c 'has not answered correctly over any link' "$LAB/connmgr.log")" = 1
}

# plays HOST
plays() {
    for kind in echo http tls mqtt; do
        serves banner
        case $kind in
            http) right=204 && starts "http://$1/#204" ;;
            *) right=$kind && starts "$kind://$1:80" ;;
        esac
        is_suspected "$FAMILY, $kind"
        serves "$right"
        wait_for 20 "$FAMILY, $kind: it answers correctly: both links are confirmed" confirmed
        check "$FAMILY, $kind: it is not suspected any more" not suspected
        portal eth0 portal
        wait_for 15 "$FAMILY, $kind: the wrong answer is a portal now, eth0 fails" failed_wrongly
        wait_for 5 "$FAMILY, $kind: wlan0 is in use" in_use_here wlan0
        [ "$kind" != http ] || check "$FAMILY, http: status says where the portal redirects" redirects
        stop_connmgr || :
        portal eth0 off
    done
    for what in "coap://$1:80" "tls://$1:9" "mqtt://$1:99" http://no-such-name.example/#204; do
        starts "$what"
        is_suspected "$FAMILY, ${what%%#*}"
        stop_connmgr || :
    done
    starts "tcp://$1:80"
    wait_for 15 "$FAMILY, tcp: eth0 is probed again" asked_again
    check "$FAMILY, tcp: a connection counts like ping: there is no warning" not log_has 'has not answered'
    check "$FAMILY, tcp: status says so" counts_like_ping
    check "$FAMILY, tcp: no link has failed" not log_has ' -> ITFUP_SF'
    stop_connmgr || :
}
if [ "${FAMILY:=IPv4}" = IPv4 ]; then
    plays 198.18.100.11
else
    for link in eth0 wlan0 wwan0; do ip -n device -4 address flush dev $link; done
    plays '[2001:db8:100::11]'
fi
