#!/bin/sh
# demo.sh: sets up the lab, runs connmgr in it, pulls the plugs one after the other and explains what happens.
# Exit status 0 if everything worked. Needs root; touches nothing outside its sandbox.
set -eu

NETNS_DIR=$(cd "$(dirname "$0")" && pwd)
[ -n "${LAB_SANDBOX:-}" ] || exec "$NETNS_DIR/sandbox.sh" sh "$NETNS_DIR/demo.sh"
. "$NETNS_DIR/lib.sh"
. "$NETNS_DIR/fresh.sh"

if [ -t 1 ]; then
    bold=$(printf '\033[1m') dim=$(printf '\033[2m') green=$(printf '\033[32m') red=$(printf '\033[31m') plain=$(printf '\033[0m')
else
    bold='' dim='' green='' red='' plain=''
fi
chapter=0
seen=0

routes() {
    # Print the metric first, because the lowest one wins; no metric means 0.
    ip -n device -4 route show default | awk -v label="$1" '
        { metric = 0; gateway = "directly"; for (i = 1; i < NF; i++) {
            if ($i == "metric") metric = $(i + 1); if ($i == "dev") dev = $(i + 1); if ($i == "via") gateway = "via " $(i + 1) }
          printf "      %-8s metric %-3d %-6s %s%s\n", label, metric, dev, gateway, /linkdown/ ? "  (no carrier)" : ""; label = "" }
        END { if (NR == 0) printf "      %-8s none\n", label }'
}

# Prints the new log lines, with the seconds since the chapter began.
daemon_says() {
    tail -n "+$((seen + 1))" "$LAB/connmgr.log" >"$LAB/new"
    seen=$((seen + $(wc -l <"$LAB/new")))
    elapsed=$(($(now) - began))
    sed -nE '/^<[0-7]> ?(monitoring|using|switched|switching|[a-z0-9]+: ITF)/s/^<[0-7]> ?//p' "$LAB/new" |
        while read -r line; do
            clock=$(printf '%6d.%02d s' $((elapsed / 100)) $((elapsed % 100)))
            printf '%s\n' "$line" | fold -s -w 67 | while read -r part; do
                printf '%11s  %s%s%s\n' "$clock" "$dim" "$part" "$plain"
                clock=
            done
        done
}

# Prints the kernel's time from the chapter's first event that matches CAUSE to the metric-0 default over
# LINK, in ms.
switch_time() {
    sed "1,${events}d" "$LAB/events" | awk -v cause="$1" -v effect="default4 $2 metric 0 new" '
        !began && cause != "" && index($0, cause) { began = $1 }
        began && !ended && index($0, effect) { ended = $1 }
        END { if (ended) printf "%.1f ms after the kernel'"'"'s news", (ended - began) / 1000 }'
}

says_switched() { tail -n "+$((lines + 1))" "$LAB/connmgr.log" | grep -q "switched to $link"; }

# Prints the longest time in this chapter without an answer to the application.
gap() {
    tail -n "+$answers" "$LAB/talk" | awk '
        $2 == "answer" { if (last && $1 - last > longest) longest = $1 - last; last = $1 }
        END { printf longest < 1e6 ? "%d ms" : "%.1f s", longest < 1e6 ? longest / 1e3 : longest / 1e6 }'
}
answered() { tail -n "+$((asked + 1))" "$LAB/talk" | grep -q ' answer$'; }

verdict() {
    if [ "$1" = ok ]; then
        printf '      %s✔ %s%s\n' "$green" "$2" "$plain"
    else
        printf '      %s✘ %s%s\n' "$red" "$2" "$plain"
        LAB_FAILED=1
    fi
}

# chapter LINK SECONDS CAUSE TITLE CMD...: runs CMD; LINK must be in use within SECONDS. CAUSE is the kernel's
# event from which the switch is timed; without one, the wall clock is used.
chapter() {
    link=$1 seconds=$2 cause=$3 title=$4
    shift 4
    chapter=$((chapter + 1))
    printf '\n%s %d  %s%s\n' "$bold" "$chapter" "$title" "$plain"
    routes before
    events=$(wc -l <"$LAB/events")
    lines=$seen
    answers=$(wc -l <"$LAB/talk")
    began=$(now)
    "$@"

    until in_use "$link"; do
        daemon_says
        [ $(($(now) - began)) -lt $((seconds * 100)) ] || break
        sleep 0.02
    done
    took=$(($(now) - began))
    poll 1 says_switched || :
    daemon_says
    routes after

    measured=$(switch_time "$cause" "$link")
    [ -n "$measured" ] || measured=$(printf '%d.%02d s later' $((took / 100)) $((took % 100)))
    if in_use "$link"; then verdict ok "$link is in use $measured"; else verdict bad "$link is not in use within $seconds s"; fi
    asked=$(wc -l <"$LAB/talk")
    if poll 5 answered; then
        verdict ok "the application is answered; it had to wait $(gap) at most"
    else
        verdict bad "the application gets no answer"
    fi
}

settle() { poll "$1" state "$2" "$3" || verdict bad "$2 does not become $3 within $1 s"; }

cat <<END
$bold connmgr: three links, one way out$plain

   device ─┬─ eth0   Ethernet ─── router ─┐
           ├─ wlan0  Wi-Fi ────── router ─┼─── cloud: echo service, DNS, ping
           └─ wwan0  LTE, paid ── router ─┘

 All of it is made of namespaces of this machine's kernel, and none of it
 touches the machine's own network. Indented in time: what the daemon says.
END

lab_up
on device "$LABTOOL" watch >"$LAB/events" 2>&1 &
poll 2 grep -q watching "$LAB/events"

# A question every 20 ms over one long TCP connection, a new one when it is lost.
on device "$LABTOOL" talk tcp 198.18.100.11 80 20 >"$LAB/talk" 2>&1 &
asked=0
poll 2 answered

chapter eth0 3 "" "The daemon starts; all three links are up." start_connmgr
settle 5 eth0 ITFUP_SS
settle 5 wlan0 ITFUP_SS
if lte_untouched; then verdict ok "LTE has not carried a byte"; else verdict bad "LTE was used"; fi

chapter wlan0 22 "" "Ethernet dies silently: the carrier stays, but nothing comes back." upstream_dead eth0
if lte_untouched; then verdict ok "LTE still has not carried a byte"; else verdict bad "LTE was used"; fi
chapter wwan0 2 "link wlan0 up no-carrier" "Wi-Fi is lost as well: only LTE is left." unplug wlan0
chapter eth0 15 "" "Ethernet's upstream lives again: LTE costs money, and is left at once." upstream_alive eth0
plug wlan0
settle 10 wlan0 ITFUP_SS
LAB_LTE=$(bytes wwan0)
chapter wlan0 2 "link eth0 up no-carrier" "The Ethernet cable is pulled." unplug eth0
chapter eth0 35 "" "The cable is back. After two failures Ethernet has to prove itself first." plug eth0
chapter wlan0 2 "link eth0 down" "An administrator takes Ethernet down." ip -n device link set eth0 down
if lte_untouched; then verdict ok "LTE has not carried a byte since it was left"; else verdict bad "LTE was used"; fi

if stop_connmgr; then verdict ok "asked to stop, it stopped with status 0"; else verdict bad "it stopped with status $?"; fi

# From here on without -d, the normal mode.
reaches() { on device socat -u OPEN:/dev/null "TCP:$1:80,connect-timeout=0.9" 2>"$LAB/last"; }
# Resolves and connects to new names, one after the other. Prints the slowest, in ms, including the start of
# socat.
first_connections() {
    slowest=0
    for number in $(seq 1 "$1"); do
        asked=$(date +%s%N)
        reaches "h-198-18-101-$number.fresh.example" || return
        took=$((($(date +%s%N) - asked) / 1000000))
        [ "$took" -le "$slowest" ] || slowest=$took
    done
}
printf '\n%s %d  Locked: the daemon starts without -d; on the whitelist is *.fresh.example.%s\n' "$bold" $((chapter + 1)) "$plain"
fresh_names
printf '*.fresh.example\n' >"$LAB/etc/whitelist"
began=$(now) seen=0 FIREWALL=
start_connmgr
if poll 5 log_has 'locked in'; then
    verdict ok "$(sed -n 's/^<[0-7]> *\(locked in [0-9]* ms; addresses by [a-z]*; DNS: [a-z]*\).*/\1/p' "$LAB/connmgr.log")"
else
    verdict bad "it does not lock the device"
fi
asked=$(wc -l <"$LAB/talk")
if poll 0.5 answered; then
    verdict bad "the application of before is answered still"
else
    verdict ok "the application of before has no answer any more: nobody has whitelisted its server"
fi
if poll 5 state wlan0 ITFUP_SS; then verdict ok "links are confirmed all the same"; else verdict bad "no link is confirmed"; fi
if first_connections 20; then
    verdict ok "20 names, each with an address never seen before: no first connection lost, the slowest took $slowest ms"
else
    verdict bad "a first connection was lost"
fi
if reaches 198.18.100.8; then verdict bad "a foreign address is open"; else verdict ok "a foreign address is shut"; fi
on device "$LABTOOL" echo 7001 "$LAB/echo-mode" >"$LAB/ears" 2>&1 &
poll 2 grep -q listening "$LAB/ears"
if on cloud socat -u OPEN:/dev/null TCP:198.18.2.2:7001,connect-timeout=0.9 2>"$LAB/last"; then
    verdict bad "a stranger gets in"
else
    verdict ok "nobody gets in"
fi

printf '\n%s %d  The end: the daemon is asked to stop.%s\n' "$bold" $((chapter + 2)) "$plain"
if stop_connmgr; then verdict ok "it stopped with status 0"; else verdict bad "it stopped with status $?"; fi
routes left
if reaches 198.18.100.8; then verdict bad "the device is open"; else verdict ok "the device is still locked"; fi
if reaches 198.18.101.1; then verdict ok "and what was open is open"; else verdict bad "what was open is shut"; fi

if [ -z "$LAB_FAILED" ]; then
    printf '\n%s Everything went as told.%s\n' "$bold$green" "$plain"
else
    printf '\n%s Not everything went as told. The log of the daemon:%s\n' "$bold$red" "$plain"
    cat "$LAB/connmgr.log"
fi
