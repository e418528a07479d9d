#!/bin/sh
# The verbs beyond a plain status: a report that cannot be written ends with 74; status of one link; a choice of
# events; wait-online; use; other users by --control-group; a daemon with another --run-dir; mistyped words.
# takes 30 s
. "$(dirname "$0")/lib.sh"

connmgr=$(connmgr_path)
to_full() { on device "$connmgr" "$@" >/dev/full; }
to_none() { on device "$connmgr" "$@" >&-; }
to_nobody() { "$connmgr" "$@" 2>/dev/null | true; }

lab_up
check "wait-online without a daemon: 1 after its time" exits 1 ask wait-online --timeout 1s
check "it says why" said_has 'no daemon answers'
ask wait-online --timeout 2m >"$LAB/waited" 2>&1 &
waiter=$!
start_connmgr --control-group 4242
check "wait-online began before the daemon: it ends with 0 when a link is confirmed" wait "$waiter"
wait_for 5 "eth0 is in use" settled

for verb in status "status --json" events "events --json" metrics; do
    # shellcheck disable=SC2086  # words
    check "a full disk: $verb ends with 74" exits 74 to_full $verb --run-dir "$LAB/run"
    check "a full disk: $verb says why" said_has 'cannot write to standard output: No space left'
done
# Every verb of the command line's own list, with what it needs.
for verb in $("$connmgr" --help | sed -n '/^Commands:/,$s/^  \([a-z-]*\) .*/\1/p'); do
    words="--run-dir $LAB/run" wanted=74
    case $verb in
        check) words="-d --config-dir $LAB/etc" ;;
        probe) words="eth0 --probe tcp://198.18.100.10:80 --no-ping --config-dir $LAB/etc" ;;
        use) words="auto $words" ;;
        route) words="eth0 --config-dir $LAB/etc $words" ;;
        unlock) words="--script-dir $REPO/scripts $words" ;;
        wait-online) wanted=0 ;; # it prints nothing
    esac
    # shellcheck disable=SC2086  # words
    check "a full disk: $verb ends with $wanted" exits "$wanted" to_full "$verb" $words
    # shellcheck disable=SC2086
    check "stdout is closed: $verb ends with $wanted" exits "$wanted" to_none "$verb" $words
done
check "the list has verbs" test "$wanted" = 74
for word in --help --version; do check "a full disk: $word ends with 74" exits 74 to_full "$word"; done
check "a full disk for stderr, too: 64 all the same" exits 64 sh -c "'$connmgr' --nonsense 2>/dev/full"
check "a reader that has enough is no error" exits 0 to_nobody status --run-dir "$LAB/run"

check "status of one link" exits 0 ask status eth0
check "of that link alone" not said_has '^(wlan0|in use)'
check "its state" said_has '^eth0 +ITFUP_SS'
check "as JSON" exits 0 ask status eth0 --json
check "of that link alone, as JSON" said_has '^\{"name":"eth0",'
check "of a metered link that is only assumed to work: 2" exits 2 ask status wwan0
check "of a link that there is not: 64" exits 64 ask status eth9
check "it says which there are" said_has 'no link eth9: the links are eth0, wlan0, wwan0'
check "of what cannot be a name: 64" exits 64 ask status a/b

# A probe beside the daemon is one of its own; it moves nothing.
decided=$(switches)
check "a probe beside the daemon proves the link: 0" exits 0 on device "$connmgr" probe wlan0 --probe echo://198.18.100.10:80 --config-dir "$LAB/etc"
check "it says by what" said_has ' confirmed by echo: echo answered by'
check "of a link whose upstream is dead: 1" upstream_dead wwan0
check "it is not confirmed" exits 1 on device "$connmgr" probe wwan0 --probe echo://198.18.100.10:80 --no-ping --config-dir "$LAB/etc"
upstream_alive wwan0
check "the daemon has not switched" test "$(switches)" = "$decided"
check "the links are as they were" settled
# The probes of a link a day, at the rate since the start, but of a minute at least: within a fifth, because the bytes and
# the time are not read at once.
a_day() {
    ask status --json >"$LAB/status.json" && /usr/bin/python3 - "$LAB/status.json" <<'END'
import json, sys
status = json.load(open(sys.argv[1]))
link = next(link for link in status["links"] if link["name"] == "eth0")
wanted = link["probe_bytes"] * 86400 / max(60, status["uptime_seconds"])
print(link["probe_bytes"], status["uptime_seconds"], link["probe_bytes_per_day"], wanted)
sys.exit(not (link["probe_bytes"] > 0 and 0.8 * wanted <= link["probe_bytes_per_day"] <= 1.2 * wanted))
END
}
check "status --json: the bytes of probes a day" a_day

for number in 3 1; do check "events: the newest $number" test "$(ask events -n "$number" | wc -l)" = "$number"; done
check "events of the last hour: all" test "$(ask events --since 1h | wc -l)" = "$(ask events | wc -l)"
ask events --since 5 -f >"$LAB/followed" &
follower=$!
unplug wlan0
wait_for 5 "events: followed" grep -q 'wlan0: ITFUP_SS -> ITFDOWN_SU' "$LAB/followed"
plug wlan0
kill "$follower"
for bad in "-n 0" "-n 501" "--since 0" "--since 1w" "--since -1"; do
    # shellcheck disable=SC2086  # words
    check "events $bad: 64" exits 64 ask events $bad
done

wait_for 10 "wlan0 is confirmed again" state wlan0 ITFUP_SS
check "use wwan0: 0" exits 0 ask use wwan0 --for 1h
wait_for 5 "it is in use, although it costs money" in_use wwan0
check "status: by hand, for how long" status_has '^by hand +wwan0 is preferred for another 59 min'
check "the log: why" log_has 'using wwan0: .*, preferred by hand$'
check "JSON: valid" status_is_valid
check "use auto: 0" exits 0 ask use auto
wait_for 15 "eth0 is in use again" in_use eth0
check "use of a link that there is not: 64" exits 64 ask use eth9
check "use wlan0 for a short time" exits 0 ask use wlan0 --for 2s
wait_for 5 "wlan0 is in use" in_use wlan0
wait_for 20 "then eth0 by itself" in_use eth0

chmod 711 "$LAB/.." "$LAB" "$LAB/run"
install -m 755 "$connmgr" "$LAB/connmgr"
as() { # GROUPS VERB...
    lab_groups=$1
    shift
    # shellcheck disable=SC2086  # an option with or without a value
    setpriv --reuid 65534 --regid 65534 $lab_groups "$LAB/connmgr" "$@" --run-dir "$LAB/run"
}
check "another user: 77" exits 77 as --clear-groups status
check "it says who may" said_has 'only root, its user, and members of its --control-group'
check "a member of the group: status" exits 0 as '--groups 7,4242' status
check "a member of the group: events" exits 0 as '--groups 4242' events
check "a member of the group: metrics" exits 0 as '--groups 4242' metrics
check "a member of the group: not reload" exits 77 as '--groups 4242' reload
check "a member of the group: not use" exits 77 as '--groups 4242' use wlan0
check "nothing was preferred" not status_has '^by hand'

check "another --run-dir is found by itself" exits 0 "$connmgr" status
check "for reload, too" exits 0 "$connmgr" reload
stop_connmgr
check "not after the daemon's end" exits 69 "$connmgr" status

# probe, route and unlock take options that are not given from those of the service.
mkdir -p "$LAB/default" "$LAB/other" "$LAB/stubs"
mount --bind "$LAB/default" /etc/default
printf "ETH_INTERFACE_0='wlan0'\nWIFISTA_INTERFACE_0=''\n" >"$LAB/other/netif_names"
echo "CONNMGR_OPTIONS='-d --probe echo://198.18.100.10:80 --no-ping --config-dir $LAB/other --script-dir $LAB/stubs'" >"$LAB/default/connmgr"
check "probe: by the service's URL" exits 0 on device "$connmgr" probe eth0
check "it says so" said_has '^/etc/default/connmgr: probing with -d --probe echo:'
check "it is probed" said_has 'probe of eth0 by echo://198.18.100.10(:80)?$'
check "probe: the command line comes first" exits 1 on device "$connmgr" probe eth0 --probe tcp://198.18.100.10:9
check "its URL alone" said_has 'probe of eth0 by tcp://198.18.100.10:9$'
check "route: the service's names" exits 64 on device "$connmgr" route eth0
check "they are said" said_has 'the links are wlan0, wwan0'
check "unlock: the service's scripts" exits 78 on device "$connmgr" unlock
check "they are named" said_has "$LAB/stubs/fwcfg.sh: No such file"
echo "CONNMGR_OPTIONS='--idle 1'" >"$LAB/default/connmgr"
check "a bad option there does not keep unlock from its work" exits 0 on device "$connmgr" unlock --script-dir "$REPO/scripts"
check "it is said" said_has '^connmgr: /etc/default/connmgr: its options are wrong, going on without them'
echo "CONNMGR_OPTIONS=-d --idle 5" >"$LAB/default/connmgr"
check "neither does a line that is read in two ways" exits 0 on device "$connmgr" unlock --script-dir "$REPO/scripts"
check "that is said, too" said_has 'systemd and sh read it differently'
umount /etc/default

for typo in statsu:status evnets:events --dms:--dns --idel:--idle; do
    check "${typo%:*}: 64" exits 64 "$connmgr" "${typo%:*}"
    check "${typo%:*}: what was meant" said_has "did you mean '${typo#*:}'\?"
done
# An option that the verb does not have, also where the verb takes a word; and where its help is.
for words in 'status --foo' 'status --foo=1' 'use --foo' 'probe --foo' 'route --foo' 'events --foo' 'check --foo' 'metrics --foo' \
    'audit --foo' 'reload --foo' 'unlock --foo' 'wait-online --foo'; do
    # shellcheck disable=SC2086  # words
    check "$words: 64" exits 64 "$connmgr" $words
    check "$words: it is no name" said_has "^connmgr: Unrecognized command or argument '--foo(=1)?'"
    check "$words: which help" said_has "^connmgr: try 'connmgr ${words%% *} --help'$"
done
check "an unknown verb: 64" exits 64 "$connmgr" --foo
check "an unknown verb: which help" said_has "^connmgr: try 'connmgr --help'$"
for typo in 'status --jsn:--json' 'probe --no-pign:--no-ping' 'use --form:--for' 'events --sicne:--since' 'route --config-dri:--config-dir'; do
    # shellcheck disable=SC2086  # words
    check "${typo%:*}: 64" exits 64 "$connmgr" ${typo%:*}
    check "${typo%:*}: what was meant" said_has "did you mean '${typo#*:}'\?"
done
check "route without a name: 64" exits 64 "$connmgr" route
check "its help says that it needs one" exits 0 "$connmgr" route --help
check "not as if it could be left out" said_has '^  connmgr route <IFNAME> \[options\]'
check "the help of status has each cause of 1" exits 0 "$connmgr" status --help
check "of them: dropped" said_has '^  1 .*drops what the lockdown admits'
check "of them: an earlier start" said_has '^  1 .*the lockdown of an earlier start'
check "help of a verb has only its own options" exits 0 "$connmgr" metrics --help
check "not the daemon's" not said_has '--probe|--config-dir|--dns'
check "and its exit statuses" said_has '^  69  no daemon answers'
check "an option of another verb in front of it: 64" exits 64 "$connmgr" --idle 5 metrics
