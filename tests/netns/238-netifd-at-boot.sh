#!/bin/sh
# OpenWrt without `option metric`, its default. At boot netifd adds the defaults of all links at one metric within a
# millisecond, so that each replaces the one before, and no dump contains the first two. Or it has done so before connmgr starts:
# then only netifd knows the routers. Its answer is a recording.
# takes 20 s
. "$(dirname "$0")/lib.sh"

recording=$REPO/tests/ConnMgr.Tests/Data/openwrt/static-without-metrics.ubus-dump.json
netifd() { on device "$LABTOOL" netifd "$@" 2>"$LAB/netifd" || [ $? = 2 ]; }
# As netifd does it: metric 0, NLM_F_REPLACE.
all_defaults() {
    ip -n device route flush exact default
    ip -n device -6 route flush exact default
    for link in wwan0 eth0 wlan0; do
        netifd add "$link" route "$(subnet_of "$link").1" 0 "$(subnet_of "$link").2"
        netifd add "$link" route "$(subnet6_of "$link")::1" 0
    done
}
devices() { ip -n device "$1" route show exact default | sed -n 's/.* dev \([a-z0-9]*\).*/\1/p' | sort -u | paste -sd' '; }
all_there() { [ "$(devices -4)" = "eth0 wlan0 wwan0" ] && [ "$(devices -6)" = "eth0 wlan0 wwan0" ]; }

lab_up
ip -n device route flush exact default
ip -n device -6 route flush exact default
start_connmgr
kill -STOP "$CONNMGR_PID"
all_defaults
check "netifd leaves the default of the last link alone" test "$(devices -4)" = wlan0
kill -CONT "$CONNMGR_PID"
wait_for 5 "each link has its default again, IPv4 and IPv6" all_there
wait_for 5 "eth0 is in front" in_use eth0
# The text is wrapped: in one line for the comparison. wlan0 was the last, and has its own.
says() { [ "$(ask status | tr -s '\n ' ' ' | grep -o "$1" | grep -c .)" = "$2" ]; }
check "status says of eth0 and wwan0, IPv4 and IPv6, where their defaults come from" \
    says "a default that connmgr restored after another program's replace" 4
check "and its JSON is as documented" status_is_valid
stop_connmgr

all_defaults
mkdir -p "$LAB/bin"
printf '#!/bin/sh\ncat "%s"\n' "$recording" >"$LAB/bin/ubus"
chmod +x "$LAB/bin/ubus"
path=$PATH
PATH=$LAB/bin:$path
start_connmgr
PATH=$path
wait_for 5 "connmgr starts after netifd: each link gets its default by netifd's word" all_there
wait_for 5 "eth0 is in front" in_use eth0
check "status says so" says "a default that connmgr restored: netifd names it" 4
ip -n device route del default dev wwan0
ip -n device address add 198.18.1.98/32 dev eth0
still_deleted() { ip -n device -4 route show default dev wwan0 | not grep -q .; }
stays 3 "a default that is deleted stays deleted" still_deleted
