#!/bin/sh
# The lockdown in status and events: what is in force, what is open and why, which replies were refused. A
# reload with one bad file changes nothing.
# takes 25 s
. "$(dirname "$0")/lib.sh"

FIREWALL=
LAB_DNS="--host-record=twin.example,198.18.100.10,2001:db8:100::10 --local=/gone.example/"
lab_up
printf '%s\n' echo.example '*.cdn.example' 198.18.200.0/24 >"$LAB/etc/whitelist"
start_connmgr
wait_for 5 "status: the firewall, how addresses get in" status_has '^firewall +locked, addresses by sets$'
check "status: how to open it" status_has "^ +to open it: stop connmgr, then 'connmgr unlock'$"
wait_for 5 "status: what is done with replies" status_has '^dns +hold; name servers: 198.18.100.53'
wait_for 5 "status: the whitelist" status_has '^whitelist +3 entries, 4 addresses open$'
check "status: an entry" status_has '^ echo\.example$'
check "status: its holes, their age, what is left" status_has \
    '^ +198\.18\.100\.10, echo\.example, open [0-9]+ m?s, 1 h [0-9]+ min left$'
check "status: an entry without" status_has '^ \*\.cdn\.example: no address known$'
check "status: a prefix" status_has '^ 198\.18\.200\.0/24$'
check "events: locked" events_have ' firewall locked in [0-9]+ ms; addresses by sets; DNS: hold$'
check "events: a hole" events_have ' hole +opened 198\.18\.100\.10: echo\.example \(echo\.example\)$'
check "metrics: holes" metrics_have '^connmgr_holes 4$'
check "nothing is wider than 80 columns" not status_has '^.{81}'
check "JSON: valid" status_is_valid

reload() { # STATUS REGEX
    lab_status=0
    ask reload >"$LAB/said" 2>&1 || lab_status=$?
    cat "$LAB/said"
    [ "$lab_status" = "$1" ] && grep -qE -- "$2" "$LAB/said"
}
echo "ETH_INTERFACE_0='eth7'" >"$LAB/etc/netif_names"
printf '%s\n' other.example '*.io' >"$LAB/etc/whitelist"
check "one bad file of two: refused, 78" reload 78 '/etc/whitelist:2: '
check "the names of the good file have not been taken" status_has '^eth0 +ITFUP_S'
check "nor the good lines of the bad one" status_has '^ echo\.example$'
check "what was open is open" on device socat -u OPEN:/dev/null TCP:198.18.100.10:80,connect-timeout=1

echo "# the default names" >"$LAB/etc/netif_names"
printf '%s\n' 198.18.100.8 '*.cdn.example' >"$LAB/etc/whitelist"
check "a good one: what has changed is said" reload 0 'whitelist: .*2 entries'
check "the entries that went are named" grep -qxF "whitelist: removed echo.example" "$LAB/said"
check "and those that came" grep -qxF "whitelist: added 198.18.100.8" "$LAB/said"
check "those that stay are not" not grep -q "cdn.example" "$LAB/said"
printf '%s\n' 198.18.100.8 '*.net.example' >"$LAB/etc/whitelist"
check "one for another: said, although nothing is opened or closed" reload 0 '^whitelist: added \*\.net\.example$'
check "the same again: nothing has changed" reload 0 '^nothing has changed$'
wait_for 3 "status: the new whitelist" status_has '^whitelist +2 entries, 0 addresses open$'
# Port 80 of TCP stays open, because it is probed.
answers_udp() { [ "$(echo udp | on device socat -t 1 - UDP4:198.18.100.10:80 2>&1)" = udp ]; }
check "what is not on it any more is shut" not answers_udp

check "status: what is open because it is probed" status_has '^probed +198\.18\.100\.[0-9]+'

# firewall.user is run again by a reload, and that is said.
cat >"$LAB/etc/firewall.user" <<'END'
case $CONNMGR_BACKEND in
    nft) nft add rule inet connmgr user_input iifname eth0 tcp dport 7022 accept ;;
    *) iptables -A INPUT -i eth0 -p tcp --dport 7022 -j ACCEPT ;;
esac
END
check "a new firewall.user: said" reload 0 '^init_firewall.sh runs again, and with it firewall\.user$'
user_rule() { on device nft list chain inet connmgr user_input 2>/dev/null | grep -q 7022 || on device iptables -S INPUT | grep -q 7022; }
wait_for 5 "and it takes effect" user_rule
rm "$LAB/etc/firewall.user"
printf '%s\n' 198.18.100.8 new.example >"$LAB/etc/whitelist"
check "a new name: it is being looked up" reload 0 'whitelist: .*; looking up the new names$'

# Names that share an address, and one that does not exist.
printf '%s\n' echo.example twin.example '*.example' gone.example >"$LAB/etc/whitelist"
restart_connmgr
words() { ask status | tr -s ' \n' ' '; } # without the ends of lines
has_words() { words | grep -qF -- "$1"; }
wait_for 5 "a shared address stands under its first name" has_words ' 198.18.100.10, echo.example, open '
wait_for 5 "and under the second" has_words ' 198.18.100.10, twin.example, open '
check "no name with an address is said to have none" not status_has '^ (echo|twin)\.example: no address known$'
check "a name that does not exist has none" status_has '^ gone\.example: no address known'
wait_for 5 "the server's answer about it has been counted" metrics_have '^connmgr_dns_replies_total\{verdict="error_code"\} [1-9]'
# Replies to the questions of the daemon before may be refused as unasked.
refused() { ask metrics | sed -n 's/^connmgr_dns_replies_total{verdict="unasked"} //p'; }
check "status: what that is" has_words 'more with an error of the server (no such name or record, for example)'
check "but not as refused" has_words ", $(refused) replies refused"

# A reply without a question.
restart_connmgr --dns sniff
wait_for 5 "eth0 is in use" in_use eth0
unasked() {
    printf '\022\064\201\200\0\001\0\0\0\0\0\0\004echo\007example\0\0\001\0\001' |
        on cloud socat -u - UDP:198.18.1.2:4321,bind=198.18.100.8:53
}
wait_for 3 "a reply that nobody asked for is sent" unasked
wait_for 5 "events: it was refused, and why" events_have ' reply +refused replies: [0-9]+ unasked$'
check "status: the same" status_has '^ +refused, unasked: [0-9]+$'
check "metrics: the same" metrics_have '^connmgr_dns_replies_total\{verdict="unasked"\} [1-9]'
