#!/bin/sh
# resolv_conf.sh use TARGET IFNAME [LINK=ADDRESS]...: makes the device's resolver ask the name servers of IFNAME, the
# link in use. resolv_conf.sh restore TARGET: undoes what the last `use` has done; TARGET counts only if there is no
# record of that. The daemon runs the script with --resolv-conf TARGET; an implementer may replace it.
#
# What it writes into a file stands between the lines $BEGIN and $END, and the lines that it has replaced are comments that begin
# with "#connmgr ". So after a power cut, which loses $RUN, our text in a persistent /etc/resolv.conf is not taken for the user's.
#
# TARGET is auto (what the platform has: resolvconf, systemd-resolved or a plain /etc/resolv.conf) or a file: resolv.conf, or
# dnsmasq's servers-file if its name ends in .servers. LINK=ADDRESS: a name server that netifd has for a link.
# Output, line by line: "link IFNAME ADDRESS..." the name servers of each link; "asks ADDRESS..." those that the resolver asks
# now, if no file says so; "did TEXT" what was done. Status 0: done, or nothing to do. 1: the last line says why not.
# CONNMGR_ROOT, a directory, stands in front of all paths in tests.
# shellcheck disable=SC2086 # lists of addresses and of names, which have no blanks or patterns
set -euf
umask 022

ROOT=${CONNMGR_ROOT:-}
RUN=${CONNMGR_RUN_DIR:-/var/run/connmgr}
KEPT=$RUN/resolv.conf.original # what our file has replaced
OURS=$RUN/resolv.conf.written  # what we have written last
SEEN=$RUN/resolv.conf.seen     # what stands there now
FLAGS=$RUN/resolv.conf.flags   # systemd-resolved's default-route flags before our change
KNOWN=$RUN/resolv.conf.links   # the last name servers of each link
DONE=$RUN/resolv.conf.target   # what the last run has changed: openresolv, debian, resolved or a path
BEGIN='# connmgr: the name servers of the link in use'
END='# connmgr: end. When connmgr ends, it restores the lines that begin with #connmgr'
RECORD=connmgr                 # our name at openresolv
RECORD_FIRST=lo.connmgr        # Debian's resolvconf puts lo.* first (interface-order(5))

usage() { echo "usage: ${0##*/} use TARGET IFNAME [LINK=ADDRESS]..., ${0##*/} restore TARGET" >&2; exit 64; }
fail() { echo "$*"; exit 1; }
did() { echo "did $*"; }

# Under load each process costs far more than a few lines of shell, so the shell itself reads the files.
# add WORD...: adds those that look like an address to FOUND, each once: nothing else gets into a file or an option.
add() {
    for add_word; do
        add_word=${add_word%%#*}
        case ${add_word%%\%*} in
            '' | *[!0-9A-Fa-f.:]*) continue ;;
            *:*:*) ;;
            *.*.*.*) case $add_word in *[!0-9.]*) continue ;; esac ;;
            *) continue ;;
        esac
        case $add_word in *%*[!A-Za-z0-9._-]* | *%) continue ;; esac
        case " $FOUND " in *" $add_word "*) ;; *) FOUND="${FOUND:+$FOUND }$add_word" ;; esac
    done
}

# -- which name servers a link has ------------------------------------------------------------------------------------

# add_file FILE: adds the servers of a resolv.conf text.
add_file() {
    [ -f "$1" ] || return 0
    while read -r file_key file_value _ || [ -n "$file_key" ]; do
        [ "$file_key" != nameserver ] || add "$file_value"
        file_key=
    done <"$1"
}

# dhclient: the last lease of the interface in its files (dhclient.leases(5)).
of_dhclient() {
    of_link=$1
    set +f
    set -- "$ROOT"/var/lib/dhcp/dhclient*.leases "$ROOT"/var/lib/dhclient/*.leases "$ROOT"/run/dhclient*.leases
    set -f
    for of_file; do
        [ -f "$of_file" ] || continue
        of_last='' of_mine='' of_servers=''
        while read -r of_key of_name of_value; do
            case "$of_key $of_name" in
                'lease {' | 'lease6 {') of_mine='' of_servers='' ;;
                "interface \"$of_link\";") of_mine=1 ;;
                'option domain-name-servers' | 'option dhcp6.name-servers') of_servers=${of_value%;} ;;
                '} ') [ -z "$of_mine" ] || [ -z "$of_servers" ] || of_last=$of_servers ;;
            esac
        done <"$of_file"
        IFS=', '
        add $of_last
        unset IFS
    done
}

# systemd-resolved: what networkd or another program has told it ("Link 2 (eth0): 198.18.1.53"). networkd without it: leases and
# static servers, by interface index.
of_systemd() {
    if has_resolved; then
        [ -n "${RESOLVED-}" ] || RESOLVED=$(resolvectl dns 2>/dev/null) || :
        case $RESOLVED in
            *" ($1): "*)
                of_servers=${RESOLVED#*" ($1): "}
                add ${of_servers%%
*} ;;
        esac
    fi
    read -r of_index 2>/dev/null <"$ROOT/sys/class/net/$1/ifindex" || return 0
    for of_file in "$ROOT/run/systemd/netif/links/$of_index" "$ROOT/run/systemd/netif/leases/$of_index"; do
        [ -r "$of_file" ] || continue
        while read -r of_line; do
            case $of_line in DNS=*) add ${of_line#DNS=} ;; esac
        done <"$of_file"
    done
}

# resolvconf: the records IFNAME and IFNAME.CLIENT of either program (IFNAME.100 is a VLAN); dhcpcd's own hook.
of_resolvconf() {
    set +f
    set -- "$ROOT/run/resolvconf/interface/$1" "$ROOT/run/resolvconf/interface/$1".[!0-9]* "$ROOT/run/resolvconf/interfaces/$1" \
        "$ROOT/run/resolvconf/interfaces/$1".[!0-9]* "$ROOT/run/resolvconf/keys/$1"/* "$ROOT/run/dhcpcd/hook-state/resolv.conf/$1" \
        "$ROOT/run/dhcpcd/hook-state/resolv.conf/$1".*
    set -f
    for of_file; do add_file "$of_file"; done
}

# BusyBox's simple.script notes the interface behind each server: nameserver 198.18.1.53 # eth0
of_comments() {
    for of_file in "$KEPT" "$ROOT/etc/resolv.conf"; do
        [ -f "$of_file" ] || continue
        while read -r of_key of_value of_rest; do
            [ "$of_key $of_rest" != "nameserver # $1" ] || add "$of_value"
        done <"$of_file"
    done
}

# find_servers LINK: sets FOUND: those of the first source that knows any. A client's hook may write resolv.conf lines into
# RUN/resolv/LINK.
find_servers() {
    FOUND=
    add_file "$RUN/resolv/$1"
    if [ -z "$FOUND" ]; then
        for find_word in $GIVEN; do
            case $find_word in "$1="*) add "${find_word#*=}" ;; esac
        done
    fi
    for find_source in of_systemd of_resolvconf of_dhclient of_comments; do
        [ -n "$FOUND" ] || $find_source "$1"
    done
    # No DHCP server can name this host as the name server: the file would then always look like that of a resolver of
    # this host.
    find_all=$FOUND FOUND=
    for find_word in $find_all; do
        case $find_word in 127.* | 0.* | ::1 | :: | ::[Ff][Ff][Ff][Ff]:127.*) ;; *) add "$find_word" ;; esac
    done
}

# -- a file -----------------------------------------------------------------------------------------------------------

# manager_of FILE: prints the program that a link to such a file belongs to.
manager_of() {
    [ -L "$1" ] || return 0
    case $(readlink "$1") in
        */systemd/resolve/* | */lib/systemd/resolv.conf) echo systemd-resolved ;;
        */resolvconf/*) echo resolvconf ;;
        */NetworkManager/*) echo NetworkManager ;;
        */connman/*) echo ConnMan ;;
        */resolv.conf.auto | /tmp/resolv.conf) echo netifd ;;
    esac
}

# put FILE NEW SEEN: replaces the file's content by that of NEW: by renaming, or, where a file is mounted on it (a container, or
# ReadWritePaths= of systemd), in place. If another program has written into the file since it equalled SEEN, puts that
# text back, and returns false. Only a file that is renamed over it between ln and mv is lost.
put() {
    put_target=$(readlink -f "$1") || put_target=$1
    put_old=$put_target.connmgr.old
    if put_error=$( (cat "$2" >"$put_target.connmgr" && { ln -f "$put_target" "$put_old" 2>/dev/null || rm -f "$put_old"; } &&
        mv -f "$put_target.connmgr" "$put_target") 2>&1); then
        # What has been written later than NEW counts more.
        if [ -f "$put_old" ] && ! cmp -s "$put_old" "$3" && cmp -s "$2" "$put_target"; then
            mv -f "$put_old" "$put_target"
            return 1
        fi
        rm -f "$put_old"
        return 0
    fi
    rm -f "$put_target.connmgr" "$put_old" 2>/dev/null || :
    put_error=$( (cat "$2" >"$put_target") 2>&1) || fail "cannot write $1: ${put_error##*: }: its directory may be read-only (in a systemd unit: ReadWritePaths=${1%/*})"
}

# compose FILE KEYWORD: prints the file with the servers of the link in use, as lines KEYWORDADDRESS, before its own, which become
# comments. In a resolv.conf, servers that no link has named are the user's: they stay, as the last. The resolver reads three
# (resolv.conf(5), MAXNS). All other lines stay, but dnsmasq's servers-file has none.
compose() {
    compose_most=3
    [ "$2" = 'nameserver ' ] || compose_most=99
    FOUND=
    [ "$compose_most" = 99 ] || add_file "$1"
    compose_file=$FOUND FOUND=$ASKS
    for compose_server in $compose_file; do
        case " $ALL " in *" $compose_server "*) ;; *) add "$compose_server" ;; esac
    done
    compose_lines=$BEGIN compose_count=0
    for compose_server in $FOUND; do
        compose_count=$((compose_count + 1))
        [ "$compose_count" -gt "$compose_most" ] || compose_lines="$compose_lines
$2$compose_server"
    done
    compose_done=
    if [ -f "$1" ]; then
        while IFS= read -r compose_line || [ -n "$compose_line" ]; do
            case $compose_most$compose_line in
                3nameserver[' 	']* | 99*)
                    [ -n "$compose_done" ] || printf '%s\n' "$compose_lines" "$END"
                    compose_done=1
                    compose_line="#connmgr $compose_line" ;;
            esac
            printf '%s\n' "$compose_line"
        done <"$1"
    fi
    [ -n "$compose_done" ] || printf '%s\n' "$compose_lines" "$END"
}

# True if the file has text of ours.
is_marked() {
    [ -f "$1" ] || return 1
    while IFS= read -r marked_line; do
        [ "$marked_line" != "$BEGIN" ] || return 0
    done <"$1"
    return 1
}

# unmark FILE: prints the file as it was before `compose`.
unmark() {
    unmark_ours=
    while IFS= read -r unmark_line || [ -n "$unmark_line" ]; do
        case $unmark_ours$unmark_line in
            "$BEGIN") unmark_ours=1 ;;
            "1$BEGIN" | 1nameserver* | 1server=*) ;;
            *"$END") unmark_ours='' ;;
            *)
                unmark_ours=
                case $unmark_line in '#connmgr '*) unmark_line=${unmark_line#\#connmgr } ;; esac
                printf '%s\n' "$unmark_line" ;;
        esac
    done <"$1"
}

# True if all servers of the file are on this host.
names_this_host() {
    FOUND=
    add_file "$1"
    [ -n "$FOUND" ] || return 1
    for here_server in $FOUND; do
        case $here_server in 127.* | ::1) ;; *) return 1 ;; esac
    done
}

use_file() {
    use_manager=$(manager_of "$1")
    if [ -n "$use_manager" ]; then
        did "nothing: $1 is a link to a file of $use_manager, which would overwrite it"
        return
    fi
    # The original is the text that another program has written last.
    rm -f "$SEEN"
    [ ! -f "$1" ] || cat "$1" >"$SEEN"
    if [ ! -f "$OURS" ] || ! cmp -s "$SEEN" "$OURS"; then
        if is_marked "$SEEN"; then
            unmark "$SEEN" >"$KEPT"
        elif [ -f "$SEEN" ]; then
            cat "$SEEN" >"$KEPT"
        else
            rm -f "$KEPT"
        fi
    fi
    case $1 in
        *.servers) compose "$KEPT" server= >"$OURS.new" ;;
        *) compose "$KEPT" 'nameserver ' >"$OURS.new" ;;
    esac
    if cmp -s "$1" "$OURS.new"; then
        mv "$OURS.new" "$OURS"
        rm -f "$SEEN"
        [ ! -e "$OURS.untold" ] || tell_dnsmasq
        did "$1: $ASKS, of $LINK"
        return
    fi
    # A client that writes the file meanwhile would not write it again: its text must not be lost.
    use_turn=$((${use_turn:-0} + 1))
    if [ "$use_turn" -lt 4 ] && [ -f "$1" ] && ! cmp -s "$1" "$SEEN"; then
        use_file "$1"
        return
    fi
    if ! put "$1" "$OURS.new" "$SEEN"; then
        # Without end only if it is written in this moment each time.
        use_file "$1"
        return
    fi
    mv "$OURS.new" "$OURS"
    rm -f "$SEEN"
    case $1 in *.servers) tell_dnsmasq ;; esac
    did "$1: $ASKS, of $LINK"
}

restore_file() {
    rm -f "$SEEN"
    [ ! -f "$1" ] || cat "$1" >"$SEEN"
    if [ ! -f "$OURS" ] || ! cmp -s "$SEEN" "$OURS"; then
        if is_marked "$SEEN"; then
            unmark "$SEEN" >"$KEPT"
        else
            did "$1: left as another program has written it"
            rm -f "$OURS" "$OURS.untold" "$KEPT" "$SEEN"
            return
        fi
    fi
    if [ ! -s "$KEPT" ]; then
        rm -f "$1" 2>/dev/null || : >"$1"
    elif ! put "$1" "$KEPT" "$SEEN"; then
        restore_file "$1"
        return
    fi
    rm -f "$SEEN"
    case $1 in *.servers) tell_dnsmasq ;; esac
    did "$1: restored"
    rm -f "$OURS" "$OURS.untold" "$KEPT"
}

# dnsmasq reads its servers-file again after SIGHUP. Without CAP_KILL only init can send it to another user's process.
# The pid file belongs to dnsmasq's user, and stays when dnsmasq has ended: check that the process is dnsmasq. If the
# signal cannot be sent now, the next run sends it.
tell_dnsmasq() {
    : >"$OURS.untold"
    set +f
    set -- "$ROOT"/run/dnsmasq/dnsmasq.pid "$ROOT"/run/dnsmasq.pid "$ROOT"/var/run/dnsmasq/*.pid
    set -f
    for tell_file; do
        [ -f "$tell_file" ] || continue
        read -r tell_pid <"$tell_file" || continue
        case $tell_pid in '' | *[!0-9]*) continue ;; esac
        read -r tell_name 2>/dev/null <"/proc/$tell_pid/comm" || continue
        [ "$tell_name" = dnsmasq ] || continue
        if kill -HUP "$tell_pid" 2>/dev/null; then rm -f "$OURS.untold"; return; fi
    done
    if { command -v ubus >/dev/null && ubus call service signal '{ "name": "dnsmasq", "signal": 1 }' 2>/dev/null; } ||
        { command -v systemctl >/dev/null && systemctl kill --signal=HUP dnsmasq.service 2>/dev/null; }; then
        rm -f "$OURS.untold"
        return
    fi
    fail "cannot send SIGHUP to dnsmasq: let it read the file as resolv-file=, which it watches by itself"
}

# -- resolvconf, systemd-resolved -------------------------------------------------------------------------------------

# Prints openresolv, debian or systemd, whose program is resolvconf here; nothing for none.
flavour() {
    flavour_path=$(command -v resolvconf) || return 0
    case $(readlink -f "$flavour_path") in
        */resolvectl) echo systemd ;;
        *) if resolvconf --version 2>/dev/null | grep -q openresolv || grep -q openresolv "$flavour_path" 2>/dev/null; then
            echo openresolv
        else
            echo debian
        fi ;;
    esac
}

# The servers, and the search list of the link's own records.
resolvconf_text() {
    for text_server in $ASKS; do echo "nameserver $text_server"; done
    set +f
    grep -hsE '^(search|domain)[[:space:]]' "$ROOT/run/resolvconf/interface/$LINK".[!0-9]* "$ROOT/run/resolvconf/interfaces/$LINK" \
        "$ROOT/run/resolvconf/interfaces/$LINK".[!0-9]* || :
    set -f
}

# record NAME OPTION...: adds the record, unless it equals the one that we added last. Notes it only after success, so
# that a run that failed is repeated.
record() {
    record_name=$1
    shift
    resolvconf_text >"$OURS.new"
    if [ -e "$ROOT/run/resolvconf/interfaces/$record_name" ] || [ -e "$ROOT/run/resolvconf/interface/$record_name" ] ||
        [ -e "$ROOT/run/resolvconf/keys/$record_name" ]; then
        ! cmp -s "$OURS.new" "$OURS" || return 0
    fi
    rm -f "$OURS"
    record_said=$(resolvconf "$@" -a "$record_name" <"$OURS.new" 2>&1) || fail "resolvconf -a $record_name: ${record_said##*
}"
    mv "$OURS.new" "$OURS"
}

use_openresolv() {
    # Exclusive: the records of the other links stay, but do not count.
    record "$RECORD" -x -m 0
    did "resolvconf: $ASKS, of $LINK, exclusively"
}

use_debian() {
    record "$RECORD_FIRST"
    did "resolvconf: $ASKS, of $LINK, before all others"
}

has_resolved() { [ -d "$ROOT/run/systemd/resolve" ] && command -v resolvectl >/dev/null; }

# Each link keeps its servers, but only the link in use is asked about names that belong to no link. Set its flag first,
# so that at every moment one link has the flag.
use_resolved() {
    use_flags=$(resolvectl default-route 2>/dev/null) || use_flags=
    for use_link in $LINK $LINKS; do
        use_wanted=no
        [ "$use_link" != "$LINK" ] || use_wanted=yes
        case $use_flags in
            *" ($use_link): $use_wanted"*) continue ;;
            *" ($use_link): no"*) use_is=no ;;
            *" ($use_link): yes"*) use_is=yes ;;
            *) continue ;; # no such link
        esac
        grep -qs "^$use_link " "$FLAGS" || echo "$use_link $use_is" >>"$FLAGS"
        use_said=$(resolvectl default-route "$use_link" "$use_wanted" 2>&1) ||
            fail "resolvectl default-route $use_link $use_wanted: ${use_said##*
}"
        use_flags="$use_flags ($use_link): $use_wanted" # it is done
    done
    echo "asks $ASKS"
    did "systemd-resolved: asks $LINK alone ($ASKS)"
}

restore_resolved() {
    while read -r use_link use_is; do
        resolvectl default-route "$use_link" "${use_is:-yes}" 2>/dev/null || :
    done 2>/dev/null <"$FLAGS" || :
    rm -f "$FLAGS"
    did "systemd-resolved: asks the links that it asked before"
}

# -- the arguments ----------------------------------------------------------------------------------------------------

# set_links: reads the names of the links from the daemon's variable, which has the form of netif_names.
set_links() {
    [ -n "${CONNMGR_NETIF_NAMES-}" ] || { LINKS='eth0 wlan0 wwan0'; return; }
    LINKS=
    while read -r set_line; do
        case $set_line in
            ETH_INTERFACE_[0-9]=* | WIFISTA_INTERFACE_[0-9]=* | WAN_INTERFACE_[0-9]=*)
                set_line=${set_line#*=\'}
                LINKS="$LINKS ${set_line%\'*}" ;;
        esac
    done <<END
$CONNMGR_NETIF_NAMES
END
}
set_links

# platform: prints what auto is here.
platform() {
    platform_flavour=$(flavour)
    case $(manager_of "$ROOT/etc/resolv.conf"):$platform_flavour in
        systemd-resolved:* | *:systemd) if has_resolved; then echo resolved; else echo "$ROOT/etc/resolv.conf"; fi ;;
        resolvconf:openresolv | :openresolv) echo openresolv ;;
        resolvconf:debian) echo debian ;;
        *) echo "$ROOT/etc/resolv.conf" ;;
    esac
}

# undo WHAT: restores what $DONE names.
undo() {
    case $1 in
        resolved) restore_resolved ;;
        openresolv | debian)
            undo_record=$RECORD
            [ "$1" = openresolv ] || undo_record=$RECORD_FIRST
            resolvconf -d "$undo_record"
            rm -f "$OURS"
            did "resolvconf: the record is deleted" ;;
        *) restore_file "$1" ;;
    esac
    rm -f "$DONE" "$KNOWN"
}

# $WAS: what the last run has changed; empty for nothing.
WAS=
[ ! -f "$DONE" ] || read -r WAS <"$DONE" || :

case ${1-} in
    use)
        [ $# -ge 3 ] || usage
        ASKED=$2 TARGET=$2 LINK=$3
        shift 3
        GIVEN=$*
        ASKS='' ALL=''
        mkdir -p "$RUN"
        [ "$TARGET" != auto ] || TARGET=$(platform)
        if [ -n "$WAS" ] && [ "$WAS" != "$TARGET" ]; then
            # Another --resolv-conf, or another resolver is installed. What cannot be undone is dropped.
            (undo "$WAS") >/dev/null 2>&1 || rm -f "$DONE" "$OURS" "$KEPT"
        fi
        known=$(cat "$KNOWN" 2>/dev/null) || :
        now=
        for link in $LINKS; do
            find_servers "$link"
            echo "link $link $FOUND"
            [ "$link" != "$LINK" ] || ASKS=$FOUND
            # A client deletes the record of a link that is down before it writes resolv.conf. Do not take its server
            # for one of the user's.
            if [ -z "$FOUND" ]; then
                while read -r known_link known_servers; do
                    [ "$known_link" != "$link" ] || add $known_servers
                done <<END
$known
END
            fi
            ALL="$ALL $FOUND" now="$now$link $FOUND
"
        done
        printf %s "$now" >"$KNOWN"
        if [ -z "$ASKS" ]; then
            did "nothing: no name server of $LINK is known"
            exit 0
        fi
        if [ "$ASKED" = auto ] && [ "$TARGET" = "$ROOT/etc/resolv.conf" ] && names_this_host "$TARGET"; then
            did "nothing: /etc/resolv.conf names a resolver of this host: let it read a file, and name that with --resolv-conf"
            exit 0
        fi
        [ "$WAS" = "$TARGET" ] || echo "$TARGET" >"$DONE"
        case $TARGET in
            resolved) use_resolved ;;
            openresolv) use_openresolv ;;
            debian) use_debian ;;
            *) use_file "$TARGET" ;;
        esac ;;
    restore)
        [ $# = 2 ] || usage
        mkdir -p "$RUN"
        [ -n "$WAS" ] || WAS=$2
        [ "$WAS" != auto ] || WAS=$(platform)
        undo "$WAS" ;;
    *) usage ;;
esac
