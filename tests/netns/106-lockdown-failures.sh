#!/bin/sh
# init_firewall.sh does without what the kernel or iptables lacks, and reports it. If a step fails, the script
# names it and fails, and what was locked stays locked. Also: two runs at once, a held lock, both variants at
# once.
# takes 190 s, busy
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"

lab_up
friends='198.18.100.10 2001:db8:100::10'

# faulty: replaces the tools with wrappers that run $LAB/fault first, with $tool and, for a restore, its
# $input.
faulty() {
    TOOLS=$LAB/faulty.$VARIANT:$LAB/$VARIANT:$PATH
    mkdir -p "$LAB/faulty.$VARIANT"
    for tool in iptables-save iptables-restore ip6tables-save ip6tables-restore conntrack ipset; do
        real=$LAB/$VARIANT/$tool
        [ -e "$real" ] || real=$(command -v $tool)
        read_input='' write_input=''
        # shellcheck disable=SC2016  # the tool's business
        case $tool in *-restore) read_input='input=$(cat)' write_input='printf "%s\n" "$input" |' ;; esac
        cat >"$LAB/faulty.$VARIANT/$tool" <<END
#!/bin/sh
tool=$tool input=
$read_input
. "$LAB/fault"
$write_input $real "\$@"
END
        chmod +x "$LAB/faulty.$VARIANT/$tool"
    done
}
fault() { echo "$1" >"$LAB/fault"; }
reports() { printf '%s\n' "$@" | same "${WITH}$desc: says so" head -n "$#" "$LAB/said"; }
is_locked() {
    for t in iptables ip6tables; do
        on device "$LAB/$VARIANT/$t" -S INPUT 2>/dev/null >"$LAB/input"
        grep -qx -e '-P INPUT DROP' "$LAB/input" && grep -qx -e '-A INPUT -j AFERO_ALLOW_SERVICE_INPUT' "$LAB/input" || return
    done
}
no_trace() { ! rules | grep AFERO_TRY; }
marked() { [ "$(on device "$LABTOOL" ask eth0 "$1" 80 0x80)" = echo ]; }

# shellcheck disable=SC2016,SC2086  # the fault's business; lists
does_with_less() {
    faulty
    refuses='in *"$word"*) echo "$tool: line 3 failed" >&2; exit 1 ;; esac'
    # One by one with the first variant only: the script tries each again, which takes its time.
    set -- 'CONNMARK hl-eq NFQUEUE match-set'
    [ "$VARIANT" != legacy ] || set -- CONNMARK NFQUEUE match-set hl-eq "$@"
    for lack; do
        unlock
        desc="without $lack"
        : >"$LAB/fault"
        for word in $lack; do echo "word=$word; case \$input $refuses" >>"$LAB/fault"; done
        ENVIRONMENT=CONNMGR_QUEUE=7 lock "$desc: locked"
        sets=yes queue=7 probes=mark
        case $lack in *CONNMARK*) probes=state ;; esac
        case $lack in *NFQUEUE*) queue=none ;; esac
        case $lack in *match-set*) sets=no ;; esac
        reports "sets: $sets" "queue: $queue" "probes: $probes"
        check "${WITH}$desc: both families" is_locked
        check "${WITH}$desc: nothing tried stays" no_trace
        check "${WITH}$desc: probes are answered" marked 198.18.100.8
        check "${WITH}$desc: probes are answered, IPv6" marked 2001:db8:100::8
        rules >"$LAB/less"
        ENVIRONMENT=CONNMGR_QUEUE=7 lock "$desc: locked again"
        same "${WITH}$desc: the same rules" rules <"$LAB/less"
    done

    desc='IPv6 without sets'
    unlock
    fault 'case $tool,$input in ip6*match-set*) echo "$tool: line 3 failed" >&2; exit 1 ;; esac'
    lock "$desc: locked"
    reports 'sets: no' 'queue: none' 'probes: mark'
    check "${WITH}$desc: IPv4 neither" not sh -c "$(command -v ip) netns exec device $LAB/$VARIANT/iptables-save | grep match-set"

    desc='an old iptables-restore'
    unlock
    fault 'case $tool,$* in *restore,*-w*) echo "$tool: invalid option -- w" >&2; exit 2 ;; esac'
    lock "$desc: locked"
    reports 'sets: yes' 'queue: none' 'probes: mark'
    TOOLS=
}

# shellcheck disable=SC2016  # the fault's business
fails_and_says_so() {
    faulty
    unlock
    : >"$LAB/fault"
    lock
    admit 198.18.100.10
    rules >"$LAB/locked"
    for tool in iptables-save iptables-restore ip6tables-save ip6tables-restore; do
        fault "case \$tool in $tool) echo 'sorry: line 5 failed' >&2; exit 1 ;; esac"
        script init_firewall.sh
        check "${WITH}$tool fails: status" status_is 1
        check "${WITH}$tool fails: says so" grep -q "^init_firewall.sh: .*$tool" "$LAB/complained"
        case $tool in *-restore) check "${WITH}$tool fails: says where" grep -q 'line 5 failed: :AFERO_ALLOW_SERVICE_OUTPUT' "$LAB/complained" ;; esac
        same "${WITH}$tool fails: locked as before" rules <"$LAB/locked"
    done
    unlock
    fault 'case $tool in ip6tables-restore) exit 1 ;; esac'
    script init_firewall.sh
    check "${WITH}IPv6 cannot be locked: a failure" status_is 1
    TOOLS=
}

missing_tools() {
    unlock
    mkdir -p "$LAB/few.$VARIANT"
    for tool in sh cat grep sed sort ipset dash busybox mkdir; do ln -sf "$(command -v "$tool")" "$LAB/few.$VARIANT/"; done
    TOOLS=$LAB/few.$VARIANT
    script init_firewall.sh
    check "${WITH}no iptables: nothing that a second run would find" status_is 78
    check "${WITH}no iptables: the tools of the script itself do not complain" not grep -qi 'option' "$LAB/complained"
    check "${WITH}no iptables: says what is missing" grep -q 'there is neither nft nor iptables: install nftables' "$LAB/complained"
    ENVIRONMENT=CONNMGR_FIREWALL=nft script init_firewall.sh
    check "${WITH}no nft: says what is missing" grep -q 'there is neither nft nor iptables' "$LAB/complained"
    for tool in iptables iptables-save iptables-restore; do ln -sf "$LAB/$VARIANT/$tool" "$LAB/few.$VARIANT/$tool"; done
    script init_firewall.sh
    check "${WITH}no ip6tables: a failure" status_is 1
    check "${WITH}no ip6tables: says so" grep -q 'there is no ip6tables' "$LAB/complained"
    check "${WITH}no ip6tables: IPv4 is locked" on device sh -c "$LAB/$VARIANT/iptables -S INPUT | grep -x -e '-P INPUT DROP'"
    # The script's view of a kernel without IPv6.
    STATUS=0
    # shellcheck disable=SC2086,SC2016  # words; the inner shell's business
    on device unshare --mount "$(command -v env)" -i PATH="$TOOLS:$PATH" CONNMGR_CONFIG_DIR="$LAB/etc" CONNMGR_RUN_DIR="$LAB/run" \
        sh -c 'mount -t tmpfs tmpfs /proc; PATH=${PATH%%:*}; exec "$@"' sh $SHELL_CMD "${SCRIPTS:-$REPO/scripts}/init_firewall.sh" \
        >"$LAB/said" 2>"$LAB/complained" || STATUS=$?
    check "${WITH}a kernel without IPv6: locked" status_is 0
    TOOLS=
}

# shellcheck disable=SC2016  # nobody's business
bad_arguments() {
    unlock
    rules >"$LAB/before"
    script init_firewall.sh -x
    check "${WITH}an argument: refused" status_is 64
    for bad in CONNMGR_FIREWALL=maybe CONNMGR_FIREWALL= CONNMGR_SETS=maybe CONNMGR_QUEUE=-1 CONNMGR_QUEUE=1x CONNMGR_QUEUE=123456 CONNMGR_MARK_BIT=31 CONNMGR_MARK_BIT=0x80 'CONNMGR_QUEUE=$(reboot)' CONNMGR_SETS=yes/no; do
        ENVIRONMENT=$bad script init_firewall.sh
        check "${WITH}$bad: refused" status_is 64
        check "${WITH}$bad: says so" [ -s "$LAB/complained" ]
    done
    for name in eth+ 'eth*' 'a"b' 'a\b' "a'b" 'a$b' 'a`b' '!'; do
        case $name in *\'*) echo "ETH_INTERFACE_0=\"$name\"" ;; *) echo "ETH_INTERFACE_0='$name'" ;; esac >"$LAB/etc/netif_names"
        script init_firewall.sh
        check "${WITH}a link called $name: refused" status_is 78
    done
    echo "ETH_INTERFACE_0='\$(touch $LAB/done)'" >"$LAB/etc/netif_names"
    script init_firewall.sh
    check "${WITH}a link that is a command: refused" status_is 78
    same "${WITH}nothing has changed" rules <"$LAB/before"
    check "${WITH}nothing was executed" [ ! -e "$LAB/done" ]
    echo "ETH_INTERFACE_0='a#;|&=@'" >"$LAB/etc/netif_names"
    lock "a link with an odd name"
    case $VARIANT in
        bare) check "${WITH}which is in the rules" on device sh -c "nft list table inet connmgr | grep -qF -e '\"a#;|&=@\"'" ;;
        *) check "${WITH}which is in the rules" on device sh -c "$LAB/$VARIANT/iptables -S | grep -qF -e '-i a#;|&=@ -p udp'" ;;
    esac
    : >"$LAB/etc/netif_names"
}

# shellcheck disable=SC2086  # lists
at_once() {
    unlock
    lock
    rules >"$LAB/one"
    unlock
    (
        for n in 1 2 3 4; do
            { script init_firewall.sh; echo "$STATUS" >"$LAB/status.$n"; } &
        done
        wait
    )
    printf '%s\n' 0 0 0 0 | same "${WITH}four at once: all succeed" cat "$LAB/status.1" "$LAB/status.2" "$LAB/status.3" "$LAB/status.4"
    same "${WITH}four at once: as by one" rules <"$LAB/one"
    [ "$VARIANT" = legacy ] || return 0
    # Only the legacy variant has a lock.
    flock /run/xtables.lock sh -c "echo held >'$LAB/held'; sleep 1" &
    poll 10 test -e "$LAB/held"
    lock "it waits for the lock"
}

# nft_lacks: an nft that refuses input which some kernel or old nft does not support.
nft_lacks() {
    TOOLS=$LAB/lacking:$LAB/bare
    mkdir -p "$LAB/lacking"
    cat >"$LAB/lacking/nft" <<END
#!$(command -v dash)
case "\$*" in
    *-f*)
        input=\$(cat)
        for word in $*; do
            case \$input in *\$word*) echo "Error: Could not process rule: no \$word" >&2; exit 1 ;; esac
        done
        printf '%s\n' "\$input" | $(command -v nft) "\$@" ;;
    *) exec $(command -v nft) "\$@" ;;
esac
END
    chmod +x "$LAB/lacking/nft"
}
nft_is_locked() {
    on device nft list chain inet connmgr input | grep -q 'policy drop' &&
        on device nft list chain inet connmgr AFERO_ALLOW_SERVICE_INPUT | grep -q 'sport 53'
}
# shellcheck disable=SC2086  # lists
nft_does_with_less() {
    for lack in queue ct?mark?set reject asked6 bridge 'queue ct?mark?set reject asked6 bridge'; do
        nft_lacks $lack
        unlock
        ENVIRONMENT=CONNMGR_QUEUE=7 lock "without $lack: locked"
        check "${WITH}without $lack: with nft" grep -qx 'backend: nft' "$LAB/said"
        case $lack in *queue*) check "${WITH}without $lack: says so" grep -qx 'queue: none' "$LAB/said" ;; esac
        case $lack in *'ct?mark?set'*) check "${WITH}without $lack: says so" grep -qx 'probes: state' "$LAB/said" ;; esac
        case $lack in *bridge*) check "${WITH}without $lack: says so" grep -qx 'bridged: no' "$LAB/said" ;; esac
        check "${WITH}without $lack: in force" nft_is_locked
        check "${WITH}without $lack: probes are answered" marked 198.18.100.8
        check "${WITH}without $lack: nothing else is" not on device socat -u OPEN:/dev/null TCP4:198.18.100.8:80,connect-timeout=0.5
    done
    nft_lacks direction
    rules >"$LAB/before"
    script init_firewall.sh
    check "${WITH}without the essential: a failure" status_is 1
    check "${WITH}without the essential: says why" grep -q 'nft: Error: Could not process rule: no direction' "$LAB/complained"
    same "${WITH}without the essential: locked as before" rules <"$LAB/before"
    TOOLS=
}

variants does_with_less fails_and_says_so missing_tools
backends at_once bad_arguments
VARIANTS=bare backends nft_does_with_less

# Locked in one variant, then the platform changes to the other: open addresses must be in both.
# shellcheck disable=SC2086  # lists
both_variants() {
    for pair in legacy:nft nft:legacy; do
        unlock
        VARIANT=${pair%:*} WITH="$pair: "
        lock "locked"
        VARIANT=${pair#*:}
        lock "locked by the other variant"
        admit $friends
        both $friends | same "${WITH}friends are reached" reached device eth0 $friends 198.18.100.8
        ENVIRONMENT=CONNMGR_SETS=no lock "now by rules"
        script fwcfg.sh add 198.18.100.10 friend
        script fwcfg.sh add 2001:db8:100::10 friend
        both $friends | same "${WITH}friends are reached by rules" reached device eth0 $friends 198.18.100.8
        script fwcfg.sh del 198.18.100.10 friend
        script fwcfg.sh del 2001:db8:100::10 friend
        nothing "${WITH}and no more" reached device eth0 $friends
    done
}
is_nft || both_variants
