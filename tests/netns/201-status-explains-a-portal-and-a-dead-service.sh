#!/bin/sh
# A portal behind one link, then an echo service that is down: status and events report it in exactly these
# words.
# takes 30 s
. "$(dirname "$0")/lib.sh"

begin --idle 4
portal eth0 portal
wait_for 15 "portal: status says what answered" status_has '^eth0 +ITFUP_SF for .*: (198|\[2001)[^ ]* answered with something'
wait_for 3 "status: why wlan0 is in use" status_has '^why +[0-9]+ m?s ago: eth0 failed, wlan0 confirmed by echo$'
check "events: what answered" events_have ' probe of eth0: [^ ]+ answered with something else than the echo \(a portal\?\): "HTTP/1.1 302 Found'
check "events: the decision" events_have ' decision +using wlan0: eth0 failed, wlan0 confirmed by echo$'

echo_mode refuse
wait_for 15 "echo down: status says that ping answers" status_has '^ probe +[0-9]+ m?s ago: ping answered [0-9.]+ ms after the'
check "status: wlan0 stays confirmed" status_has '^wlan0 +ITFUP_SS '
wait_for 10 "events: why nobody moves" events_have ' probe of wlan0: ping answered .* but no echo \(.*refused.*\)$'
check "nobody moved" not events_have ' decision +using (eth0|wwan0): wlan0'
