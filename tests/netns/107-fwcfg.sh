#!/bin/sh
# fwcfg.sh admits addresses with rules, for the device and for the bridge, where the kernel has no sets or an
# administrator asks for it. The rules survive init_firewall.sh. It executes nothing of its arguments, and
# explains what is wrong with bad ones.
#
#   host 198.18.50.2 ──veth── br-apnet 198.18.50.1 device ── eth0 ── r-eth ── cloud 198.18.100.8 (a stranger), .10 (a friend)
# takes 300 s, busy
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"

lab_up
host_behind
strangers='198.18.100.8 2001:db8:100::8'
friends='198.18.100.10 2001:db8:100::10'

# does STATUS ARGS...
does() {
    does_status=$1
    shift
    script fwcfg.sh "$@"
    check "${WITH}fwcfg.sh $(printf '%.60s ' "$@" | tr '\n' '?')" status_is "$does_status"
}

# refuses VERB WHICH VALUE...: exit status 64 for each value, as the address (WHICH=1) or the comment (2). Enters
# the namespace once, because there are many.
refuses() {
    refused_verb=$1 refused_as=$2
    shift 2
    # shellcheck disable=SC2016,SC2086  # the inner shell's business; words
    on device env -i PATH="${script_path:?}" CONNMGR_CONFIG_DIR="$LAB/etc" CONNMGR_RUN_DIR="$LAB/run" $script_wish \
        $SHELL_CMD -c 'run=$1 verb=$2 as=$3; shift 3
            for value; do
                status=0
                case $as in
                    1) '"$SHELL_CMD"' "$run" "$verb" "$value" x ;;
                    2) '"$SHELL_CMD"' "$run" "$verb" 198.18.100.10 "$value" ;;
                esac || status=$?
                echo "$status" >&3
            done' sh "$REPO/scripts/fwcfg.sh" "$refused_verb" "$refused_as" "$@" 3>"$LAB/statuses" >"$LAB/said" 2>&1
    exec 4<"$LAB/statuses"
    for refused; do
        read -r status <&4 || status=none
        check "${WITH}fwcfg.sh $refused_verb: refuses ${refused%%[!!-~]*}" [ "$status" = 64 ]
    done
    exec 4<&-
}

# shellcheck disable=SC2086  # lists
holes() {
    unlock
    does 1 add 198.18.100.10 friend
    check "${WITH}says that it is not locked" grep -q 'not locked' "$LAB/complained"
    does 0 del 198.18.100.10 friend
    does 1 sync friend 198.18.100.10
    ENVIRONMENT=CONNMGR_SETS=no lock
    rules >"$LAB/first"
    for address in $friends; do does 0 add "$address" 'a friend of ours'; done
    both $friends | same "${WITH}the device reaches the friends alone" reached device eth0 $strangers $friends
    nothing "${WITH}the host reaches nobody" reached host lan $strangers $friends
    for address in $friends; do does 0 add_forwarding "$address" friend.example 1; done
    both $friends | same "${WITH}the host reaches the friends alone" reached host lan $strangers $friends
    rules >"$LAB/holes"
    for address in $friends; do
        does 0 add "$address" 'a friend of ours'
        does 0 add "$address" 'a friend of ours' 1
        does 0 add_forwarding "$address" friend.example 0
    done
    same "${WITH}added again: no rule more" rules <"$LAB/holes"
    does 0 restart
    does 0 RESTART
    same "${WITH}restarted: the same rules" rules <"$LAB/holes"
    printf '%s\n' "ETH_INTERFACE_0='eth7'" "BRIDGE_INTERFACE_0='br7'" >"$LAB/etc/netif_names"
    lock "links and bridge renamed"
    case $VARIANT in
        bare) check "${WITH}the bridge's holes follow" has_rule 'iifname "br7" oifname {.* "eth7".*} jump added_outward' ;;
        *) sed 's/ eth0 / eth7 /; s/ br-apnet / br7 /g' "$LAB/holes" | sort | same "${WITH}the bridge's holes follow" sorted_rules ;;
    esac
    : >"$LAB/etc/netif_names"
    lock "and back"
    both $friends | same "${WITH}the host reaches the friends again" reached host lan $friends
    for address in $friends; do
        does 0 del "$address" 'a friend of ours'
        does 0 del "$address" 'a friend of ours'
        does 0 del_forwarding "$address" another
        does 0 del_forwarding "$address" friend.example
    done
    same "${WITH}all gone: the first rules" rules <"$LAB/first"

    does 0 add 198.18.100.53 another
    rules >"$LAB/another"
    # shellcheck disable=SC2086  # a list
    does 0 sync mine $friends
    both $friends | same "${WITH}at once: the device reaches the friends alone" reached device eth0 $strangers $friends
    both $friends | same "${WITH}at once: the host, too" reached host lan $strangers $friends
    rules >"$LAB/holes"
    does 0 sync mine 2001:db8:100::10 198.18.100.10/32 198.18.100.10
    same "${WITH}at once, again: nothing changes" rules <"$LAB/holes"
    for _ in 1 2 3 4; do
        case $VARIANT in
            bare) on device nft add rule inet connmgr added_output ip daddr 198.18.100.8 accept comment mine ;;
            *) on device "$LAB/$VARIANT/iptables" -A AFERO_ALLOW_WHITELIST_OUTPUT -d 198.18.100.8 -m comment --comment mine -j ACCEPT ;;
        esac
    done
    does 0 add 198.18.100.8 mine
    # shellcheck disable=SC2086  # a list
    does 0 sync mine $friends
    same "${WITH}at once: what else there was is gone, each copy of it" rules <"$LAB/holes"
    does 0 sync mine 198.18.100.8/30 198.18.100.8/29
    check "${WITH}at once: prefixes of the same first address" same_first
    does 0 sync mine
    same "${WITH}at once, nobody: what is not mine stays" rules <"$LAB/another"
    does 0 del 198.18.100.53 x
    does 0 del 198.18.100.53 another
    does 0 add 198.18.100.8/30 prefix
    does 0 add 2001:db8::/32 prefix
    both $strangers $friends | same "${WITH}prefixes" reached device eth0 $strangers $friends
    # With nft, manually added rules stay.
    [ "$VARIANT" != bare ] || return 0
    ENVIRONMENT=CONNMGR_SETS=yes lock "the sets take over"
    nothing "${WITH}which are empty" reached device eth0 $friends
    does 0 add 198.18.100.10 'by hand'
    lock "beside a set"
    both 198.18.100.10 | same "${WITH}beside a set, what was added by hand stays" reached device eth0 198.18.100.10
}
same_first() {
    if [ "$VARIANT" = bare ]; then
        rules | grep 'comment "mine"' && [ "$(rules | grep -c ' 198.18.100.8/30 .*comment "mine"')" = 4 ] &&
            [ "$(rules | grep -c ' 198.18.100.8/29 .*comment "mine"')" = 4 ] && [ "$(rules | grep -c 'comment "mine"')" = 8 ]
        return
    fi
    rules | grep -- '--comment mine' && [ "$(rules | grep -c -- ' 198.18.100.8/30 .*--comment mine')" = 6 ] &&
        [ "$(rules | grep -c -- ' 198.18.100.8/29 .*--comment mine')" = 6 ] && [ "$(rules | grep -c -- '--comment mine')" = 12 ]
}
has_rule() { rules | grep -e "$1"; }
sorted_rules() { rules | sort; }

# shellcheck disable=SC1003,SC2016  # nobody's business
arguments() {
    # What is right or wrong does not depend on the variant of iptables.
    [ "$VARIANT" != legacy ] || return 0
    unlock
    lock
    rules >"$LAB/first"
    long=$(printf '%0255d' 0)
    does 0 add 198.18.100.10 "$long"
    case $VARIANT in
        bare) check "${WITH}a comment of 255 bytes: what nft takes" on device sh -c "nft list table inet connmgr | grep -q '\"$(printf %.127s "$long")\"'" ;;
        *) check "${WITH}a comment of 255 bytes" on device sh -c "$LAB/$VARIANT/iptables -S | grep -q $long" ;;
    esac
    does 0 del 198.18.100.10 "$long"
    for comment in 'afero service' '*.afero.io' a '192.0.2.1/24' 'a:b@c(d)=e,f+g_h-i'; do
        does 0 add 2001:db8::1 "$comment"
        does 0 del 2001:db8::1 "$comment"
    done
    for address in 1:2:3:4:5:6:7:8 ::1 1:: :: fe80::1 ABCD::ef 1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8 2001:db8::/16 ::1/128 0.0.0.0 255.255.255.255 \
        198.0.0.0/8 198.18.1.2/32; do
        does 0 add "$address" x
        does 0 del "$address" x
    done
    same "${WITH}nothing stays" rules <"$LAB/first"

    set -- '' ' ' . ... 1 1.2.3 1.2.3.4.5 1.2.3.4. .1.2.3.4 1..2.3 256.1.1.1 01.2.3.4 1.2.3.04 0x1.2.3.4 1.2.3.-4 '1.2.3.4 ' \
        ' 1.2.3.4' 1.2.3.4/ 1.2.3.4/7 1.2.3.4/33 1.2.3.4/08 1.2.3.4/24/24 1.2.3.4/a 1.2.3.4/255.0.0.0 1.2.3.4,1.2.3.5 '!1.2.3.4' \
        1.2.3.4-1.2.3.9 : ::: 1::2::3 1:2:3:4:5:6:7 1:2:3:4:5:6:7:8:9 1:2:3:4:5:6:7:8:: 12345::1 g::1 1: :1 :1::2 1::2: fe80::1%eth0 \
        '[::1]' ::/15 ::1/129 ::ffff:1.2.3.4 ::1/ localhost echo.example -h '*' '1.2.3.*' "1.2.3.4
5.6.7.8" '$(touch '"$LAB"'/done)' '`touch '"$LAB"'/done`' "1.2.3.4;touch $LAB/done" "1.2.3.4 -j ACCEPT" '1.2.3.4"' "1.2.3.4'" \
        '1.2.3.4\' "$long" é
    refuses add 1 "$@"
    set -- -x '"' "'" '\' '`' '$' ';' '&' '|' '!' '#' '<' '*?' 'a	b' 'a
b' 'a"b' "\$(touch $LAB/done)" "\`touch $LAB/done\`" "a;touch $LAB/done" "x\" -j ACCEPT" é "0$long" "$(printf '\033[1m')"
    for verb in add del add_forwarding; do refuses "$verb" 2 "$@"; done
    does 64
    does 64 add
    does 64 add 198.18.100.10 x 2
    does 64 add 198.18.100.10 x 1 1
    does 64 restart now
    does 64 unlock now
    does 64 sync
    does 64 sync ''
    does 64 sync 'two words' 198.18.100.10
    does 64 sync x 198.18.100.10 nonsense
    does 64 sync x 198.18.100.10 "198.18.100.8 -j ACCEPT"
    does 64 flush
    does 64 'add;reboot' 198.18.100.10 x
    same "${WITH}nothing has changed" rules <"$LAB/first"
    # The original's forms of the arguments.
    does 0 ADD 198.18.100.10 x
    does 0 Del 198.18.100.10 x
    does 0 add 198.18.100.10
    check "${WITH}without a comment" has_rule 'added by hand'
    does 0 del 198.18.100.10
    does 0 Add_Forwarding 198.18.100.10 '' 1
    check "${WITH}with an empty comment" has_rule 'added by hand'
    does 0 DEL_FORWARDING 198.18.100.10 ''
    same "${WITH}nothing stays" rules <"$LAB/first"
    does 64 add echo.example x
    check "${WITH}a host name: says what to do" grep -q "For a name: write it into $LAB/etc/whitelist, and run 'connmgr reload'" "$LAB/complained"
    check "${WITH}nothing was executed" [ ! -e "$LAB/done" ]
    does 0 --help
    check "${WITH}its usage" usage
    echo "WAN_INTERFACE_0='eth0'" >"$LAB/etc/netif_names"
    does 78 add 198.18.100.10 x
    : >"$LAB/etc/netif_names"
}
usage() {
    grep -qx 'usage - fwcfg.sh add|del|add_forwarding|del_forwarding <ip_addr> \[<comment>\] \[check_fw\]' "$LAB/said" &&
        grep -qx '      -- fwcfg.sh sync <comment> \[<ip_addr>...\]' "$LAB/said" && grep -qx '      -- fwcfg.sh restart' "$LAB/said" && [ ! -s "$LAB/complained" ]
}

backends arguments holes
