# shellcheck shell=sh
# Functions for tests of the lockdown; source it after lib.sh. The scripts run on the lab's device with the
# kernel's real sets and rules; no daemon is needed.

# variants FUNCTION...: calls all functions with the variants of iptables. backends FUNCTION...: also with nf_tables
# alone ("bare": the scripts find only nft and BusyBox without awk). The two variants of iptables, and with them BusyBox
# ash and dash, take turns from function to function; with SOAK=1 each function is called with both.
backends() { if is_nft; then each_variant bare "$@"; else each_variant "${VARIANTS:-legacy nft bare}" "$@"; fi; }
variants() { if is_nft; then skip "with nft: $* is about iptables"; else each_variant "${VARIANTS:-legacy nft}" "$@"; fi; }
each_variant() {
    each_of=$1
    shift
    for VARIANT in $each_of; do
        use_tools
        turn=${0##*/} turn=${turn%%-*} # the test's number: of tests with one function each variant gets half
        for scenario; do
            turn=$((turn + 1))
            case $VARIANT$((turn % 2))${SOAK:-}${VARIANTS:-} in legacy0 | nft1) continue ;; esac
            case $VARIANT in bare) WITH="nf_tables: " ;; *) WITH="iptables-$VARIANT: " ;; esac
            "$scenario"
        done
    done
}
use_tools() {
    mkdir -p "$LAB/$VARIANT"
    case $VARIANT in
        bare)
            SHELL_CMD='busybox ash'
            bare_tools nft ;;
        *)
            case $VARIANT in legacy) SHELL_CMD='busybox ash' ;; nft) SHELL_CMD=dash ;; esac
            for tool in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
                ln -sf "$(command -v "${tool%%-*}-$VARIANT${tool#ip*tables}")" "$LAB/$VARIANT/$tool"
            done ;;
    esac
}

# same DESC CMD...: the output of CMD must equal stdin.
same() {
    same_desc=$1
    shift
    cat >"$LAB/expected"
    "$@" >"$LAB/got" 2>&1 || echo "status $?" >>"$LAB/got"
    check "$same_desc" diff -U 20 "$LAB/expected" "$LAB/got"
}
nothing() { same "$@" </dev/null; }

# script NAME ARGS...: runs it in the device as a daemon would, with the assignments in $ENVIRONMENT. Sets
# STATUS to its exit status; $LAB/said and $LAB/complained have its output.
script() {
    script_name=$1
    shift
    STATUS=0
    script_path=$LAB/$VARIANT:$PATH script_wish=''
    case $VARIANT in bare) script_path=$LAB/bare script_wish=CONNMGR_FIREWALL=auto ;; esac
    # shellcheck disable=SC2086  # words
    on device "$(command -v env)" -i PATH="${TOOLS:-$script_path}" CONNMGR_CONFIG_DIR="$LAB/etc" CONNMGR_RUN_DIR="$LAB/run" \
        $script_wish ${ENVIRONMENT:-} $SHELL_CMD "${SCRIPTS:-$REPO/scripts}/$script_name" "$@" >"$LAB/said" 2>"$LAB/complained" || STATUS=$?
}
status_is() {
    cat "$LAB/said" "$LAB/complained"
    echo "status $STATUS"
    [ "$STATUS" = "$1" ]
}

# lock [DESC]
lock() {
    script init_firewall.sh
    check "${WITH}${1:-locked}" status_is 0
}

# unlock: restores the state before any lockdown.
unlock() {
    on device sh <<'END'
        open='*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT'
        for version in ip ip6; do
            ! grep -qsx filter "/proc/net/${version}_tables_names" || echo "$open" | "${version}tables-legacy-restore" -w
            echo "$open" | "${version}tables-nft-restore" -w
        done
        for table in 'inet connmgr' 'inet connmgr_closed' 'bridge connmgr'; do
            nft delete table $table 2>/dev/null
        done
        ipset destroy
        conntrack -F 2>/dev/null
END
    rm -f "$LAB/run/locked" "$LAB/run/policies" "$LAB/run/mark_bit"
}

# rules [TABLE]: prints policies and rules of both families, without counters.
rules() {
    if [ "$VARIANT" = bare ]; then
        for rules_table in inet bridge; do on device nft -t list table $rules_table connmgr 2>/dev/null || :; done
        return
    fi
    for rules_family in iptables ip6tables; do
        on device "$LAB/$VARIANT/$rules_family-save" -t "${1:-filter}" 2>/dev/null |
            sed -e '/^#/d' -e 's/ \[[0-9:]*\]$//' -e "s/^\*/$rules_family */"
    done
}

# admit, banish ADDRESS...: open and close addresses directly in the kernel.
admit() { for address; do in_set add "$address"; done; }
banish() { for address; do in_set delete "$address"; done; }
in_set() {
    case $2 in *:*) set=afero6 ;; *) set=afero4 ;; esac
    case $VARIANT.$1.$2 in
        bare.*/*) on device nft "$1" element inet connmgr ${set}_prefixes "{ $2 }" ;;
        bare.*) on device nft "$1" element inet connmgr $set "{ $2 }" ;;
        *.add.*) on device ipset -exist add $set "$2" ;;
        *) on device ipset del $set "$2" ;;
    esac
}

# -- who gets out, and who gets in ------------------------------------------------------------------------------------

# reached HOST LINK ADDRESS...: prints which of them answer on port 80 over TCP and UDP.
reached() {
    reached_host=$1 reached_link=$2
    shift 2
    rm -rf "$LAB/reached"
    mkdir "$LAB/reached"
    (
        for address; do
            case $address in *:*) target="UDP6:[$address]" ;; *) target=UDP4:$address ;; esac
            { [ "$(on "$reached_host" "$LABTOOL" ask "$reached_link" "$address" 80)" != echo ] ||
                : >"$LAB/reached/tcp $address"; } &
            { [ "$(echo udp | on "$reached_host" socat -t 1 - "$target:80" 2>/dev/null)" != udp ] ||
                : >"$LAB/reached/udp $address"; } &
        done
        wait
    )
    ls "$LAB/reached"
}
# both ADDRESS...: prints what `reached` prints if all of them answer.
both() { for address; do printf '%s\n' "tcp $address" "udp $address"; done | sort; }

# ears HOST: from now on records what arrives there: TCP 7001, UDP 7002, ICMP.
ears() {
    on "$1" "$LABTOOL" echo 7001 "$LAB/echo-mode" >"$LAB/ears.tcp.$1" 2>&1 &
    on "$1" socat -u UDP6-RECV:7002,ipv6only=0 "OPEN:$LAB/ears.udp.$1,creat,append" &
    on "$1" "$LABTOOL" heard >>"$LAB/ears.icmp.$1" &
    poll 10 grep -q listening "$LAB/ears.tcp.$1"
    poll 10 grep -q listening "$LAB/ears.icmp.$1"
    poll 10 test -e "$LAB/ears.udp.$1"
}

# knocks HOST ADDRESS4 ADDRESS6: the cloud sends packets of every kind there; prints what arrived.
# 198.18.100.8 and ::8 are not admitted, .10 and ::10 are.
knocks() {
    : >"$LAB/knocked"
    : >"$LAB/ears.udp.$1"
    : >"$LAB/ears.icmp.$1"
    (
        for from in 8 10; do
            tcp_knock "TCP4:$2" "198.18.100.$from" &
            tcp_knock "TCP6:[$3]" "[2001:db8:100::$from]" &
            for port in 53 123 7002; do
                udp_knock "UDP4:$2" "198.18.100.$from" "$port"
                udp_knock "UDP6:[$3]" "[2001:db8:100::$from]" "$port"
            done
        done
        # Echo request and reply, timestamp, address mask, redirect, errors about packets that were never
        # sent.
        for type in 0 3 5 8 11 12 13 17; do on cloud "$LABTOOL" knock "$2" "$type" 0 64 KNOCK; done
        # The same for IPv6, node information, and neighbour discovery from off the link.
        for type in 1 2 3 4 128 129 130 133 134 135 136 137 139; do on cloud "$LABTOOL" knock "$3" "$type" 0 64 KNOCK; done
        wait
    )
    # Packets arrive in order: when this one has arrived, the earlier ones have, too.
    on cloud ping -c 1 -W 0.2 "$2" >"$LAB/last" || :
    on cloud ping -c 1 -W 0.2 "$3" >"$LAB/last" || :
    # The listeners have read everything when they have read this.
    echo OVER | on "$1" socat -u - UDP4:127.0.0.1:7002
    on "$1" "$LABTOOL" knock 127.0.0.1 8 0 64 OVER
    on "$1" "$LABTOOL" knock ::1 128 0 64 OVER
    poll 10 heard_all "$1" || not_ok "the ears of $1 are deaf"
    grep -v '^OVER$' "$LAB/ears.udp.$1" | sort - "$LAB/knocked"
    sed -n 's/ KNOCK$//p' "$LAB/ears.icmp.$1" | sort
}
heard_all() {
    grep -q '^OVER$' "$LAB/ears.udp.$1" && grep -q '^ICMPv4 8 OVER$' "$LAB/ears.icmp.$1" && grep -q '^ICMPv6 128 OVER$' "$LAB/ears.icmp.$1"
}
tcp_knock() {
    ! on cloud socat -u OPEN:/dev/null "$1:7001,bind=$2,connect-timeout=0.9" 2>/dev/null || echo "TCP from $2" >>"$LAB/knocked"
}
udp_knock() { echo "UDP from $2:$3" | on cloud socat -u - "$1:7002,bind=$2:$3,reuseaddr"; }

every_knock() {
    for from in 198.18.100.10 198.18.100.8 '[2001:db8:100::10]' '[2001:db8:100::8]'; do
        echo "TCP from $from"
        for port in 53 123 7002; do echo "UDP from $from:$port"; done
    done | sort
    {
        for type in 0 3 5 8 11 12 13 17; do echo "ICMPv4 $type"; done
        for type in 1 2 3 4 128 129 130 133 134 135 136 137 139; do echo "ICMPv6 $type"; done
    } | sort
}
