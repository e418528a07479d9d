#!/bin/sh
# With an empty whitelist, and with none, the links are confirmed and failures are found, while nothing else gets out or in:
# only what is probed (198.18.100.10 and .11, port 80) is open.
# takes 35 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"

FIREWALL=
lab_up
ears device
from_cloud() { knocks device 198.18.1.2 2001:db8:1::2; }

empty() {
    unlock
    rm -rf "$LAB/run"
    [ "$VARIANT" = bare ] || PATH=$LAB/$VARIANT:$PATH
    case $VARIANT in legacy | bare) : >"$LAB/etc/whitelist" ;; nft) rm "$LAB/etc/whitelist" ;; esac
    start_connmgr
    wait_for 15 "${WITH}locked" log_has 'locked in [0-9]+ ms'
    wait_for 5 "${WITH}eth0 and wlan0 are confirmed" settled
    nothing "${WITH}nobody is reached" reached device eth0 198.18.100.8 2001:db8:100::8 2001:db8:100::10
    nothing "${WITH}no knock is heard" from_cloud
    unplug eth0
    wait_for 3 "${WITH}eth0 unplugged: wlan0 is in use" in_use wlan0
    plug eth0
    configure eth0
    wait_for 5 "${WITH}eth0 is confirmed again" state eth0 ITFUP_SS
    check "${WITH}it stops" stop_connmgr
    nothing "${WITH}stopped: nobody is reached" reached device wlan0 198.18.100.8 2001:db8:100::10
}
SOAK=1 # each variant has a case of its own
if is_nft; then backends empty; else variants empty; fi
