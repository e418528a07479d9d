#!/bin/sh
# A cable is pulled and plugged in again, then an upstream dies silently: status and events report it in
# exactly these words.
# takes 20 s
. "$(dirname "$0")/lib.sh"

begin --idle 4
check "status: which link is in use, and why" status_has '^why +[0-9]+ [a-z]+ ago: eth0 is up, not yet confirmed$'
check "status: its address and gateway" status_has '^ address +198\.18\.1\.2 via 198\.18\.1\.1$'
check "status: its probe" status_has '^ probe +[0-9]+ [a-z]+ ago: echo answered by (198|\[2001).* in [0-9.]+ ms$'
check "status: what has never been probed is said to be trusted" status_has '^wwan0 +ITFUP_SS .*: assumed, is up, assumed good \(metered, not probed\)$'
check "events: how long the switch took" events_have ' switch +switched to eth0 in [0-9.]+ ms$'

unplug eth0
wait_for 3 "cable pulled: status says what happened" status_has '^eth0 +ITFDOWN_SU for [0-9]+ m?s: lost carrier$'
wait_for 3 "status: why wlan0 is in use" status_has '^why +[0-9]+ m?s ago: eth0 lost carrier, wlan0 confirmed by echo$'
wait_for 3 "status: wlan0 is in use" status_has '^in use +wlan0 for [0-9]+ m?s$'
check "events: the state" events_have ' link +eth0: ITFUP_SS -> ITFDOWN_SU: lost carrier$'
check "events: the decision" events_have ' decision +using wlan0: eth0 lost carrier, wlan0 confirmed by echo$'
wait_for 3 "events: the switch" events_have ' switch +switched to wlan0 in [0-9.]+ ms$'

plug eth0
wait_for 5 "cable back: eth0 is held back" \
    status_has '^ failures +1 within an hour, the last [0-9]+ m?s ago; held back for [0-9]+ m?s$'

upstream_dead wlan0
wait_for 15 "upstream dead: status says what the probe found" \
    status_has '^wlan0 +ITFUP_SF for [0-9]+ m?s: no echo within [0-9.]+ ms'
wait_for 3 "status: why eth0 is in use" status_has '^why +[0-9]+ m?s ago: wlan0 failed, eth0 confirmed by echo$'
check "events: why it was probed" events_have ' probe +probe of wlan0: started: (was silent for 3 s|sent something.*)$'
check "events: what the probe found" events_have ' probe +probe of wlan0: no echo within .*, no ping answered$'
check "events: the state" events_have ' link +wlan0: ITFUP_SS -> ITFUP_SF: no echo within .*, no ping answered$'
check "events: the decision" events_have ' decision +using eth0: wlan0 failed, eth0 confirmed by echo$'
