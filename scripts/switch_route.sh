#!/bin/sh
# switch_route.sh IFNAME: makes IFNAME, one of the three links of netif_names, the way out.
#
# Its default route gets metric 0 (IPv6: 1, since 0 means 1024 there), in one step, so that there is no moment without
# one: "ip route replace" puts it where another link's stands. That one is then put back at its own metric: the one it
# had, which is kept in $CONNMGR_RUN_DIR (/var/run/connmgr), or else 10 Ethernet, 20 Wi-Fi, 50 WAN; 100, behind all
# links, if it belongs to none of them (a VPN, a blackhole). Where that metric is taken, the next free one. A link
# without IPv4 or IPv6 gets in front in the other family only; in its missing one nobody else stays in front.
#
# Only table main counts, and of it only what competes: routes for one TOS or one source (IPv6 "from") stay as they are.
# It works with BusyBox's ip and with iproute2's. BusyBox's shows neither protocol nor mtu, so these get lost with it.
#
# Status 0: the link is the way out. 64: bad argument. 78: bad netif_names. 1: stderr says what did not work.
set -euf
export LC_ALL=C
PATH=${PATH:-/usr/sbin:/usr/bin:/sbin:/bin}
tab='	' nl='
'
IFS=" $tab$nl"

# This takes milliseconds, and some of them see a route that is in no table. It is finished, whoever goes away.
trap '' HUP INT PIPE TERM

self=${0##*/} failed=0
case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
run=${CONNMGR_RUN_DIR:-/var/run/connmgr}

say() { printf '%s\n' "IPv$family: $*" || :; }
complain() {
    printf '%s: %s\n' "$self" "$*" >&2 || :
    failed=1
}

# -- what there is --------------------------------------------------------------------------------------------------

# survey FAMILY: reads the default routes into lines of METRIC DEV EXPIRES TYPE WORDS...; best metric first, as ip says them.
#   own: the link's; front: others' that stand where it has to stand; behind, devices, used: what there is besides.
survey() {
    list "$1"
    # An earlier run was killed between two steps: its other half is done now, unless the link has got a route since.
    [ -s "$run/unfinished.$family" ] || return 0
    read -r route <"$run/unfinished.$family" || :
    note_unfinished ''
    split "$route"
    case $devices in
        *" $r_dev "*) ;;
        *) put_back "$route" || :; list "$1" ;;
    esac
}

list() {
    family=$1 own='' front='' behind=$nl used=' ' devices=' ' opaque=''
    case $family in
        # BusyBox's IPv6 listing mixes all tables; only "table all" makes it say which is which.
        6) top=1 unstated=1024 tables='table all' ;;
        *) top=0 unstated=0 tables='' ;;
    esac
    # shellcheck disable=SC2086  # two words, or none
    routes=$(ip "-$family" route show $tables default) || { complain "IPv$family: cannot list the routes"; exit 1; }

    type=
    IFS=$nl
    for line in $routes; do
        IFS=" $tab"
        case $line in
            "$tab"*) ;; # a nexthop of the route before
            *)
                keep
                type=unicast metric=$unstated dev='' expires='' known='' foreign='' hop='' more=''
                case $line in default*) ;; *) type=${line%% *} line=${line#* } ;; esac
                line=${line#default} ;;
        esac
        # shellcheck disable=SC2086  # words; the empty ones are what a keyword at the end may take
        words $line '' '' ''
    done
    IFS=" $tab$nl"
    keep
}

# Takes over what "ip route" understands and drops what it only says (linkdown, dead).
words() {
    while [ -n "$1" ]; do
        case $1 in
            dev) dev=$2 hop="$hop dev $2" ;;
            via) case $2 in inet*) hop="$hop via $2 $3"; shift ;; *) hop="$hop via $2" ;; esac ;;
            metric) metric=$2 ;;
            expires) expires=${2%sec} ;;
            table | tos | from) foreign=yes ;;
            mtu | advmss | hoplimit) case $2 in lock) more="$more $1 lock $3"; shift ;; *) more="$more $1 $2" ;; esac ;;
            proto | src | scope | realm | realms | initcwnd | initrwnd | quickack | congctl) more="$more $1 $2" ;;
            pref) more="$more $1 $2" known=yes ;;
            weight) [ "$family" = 6 ] || hop="$hop weight $2" ;;
            onlink) hop="$hop onlink"; shift; continue ;;
            nexthop)
                # To IPv6 these are routes of their own that share a metric; to IPv4 they are one route, and nobody's.
                if [ "$family" = 6 ]; then
                    [ -z "$hop" ] || keep
                    dev='' hop=''
                else
                    foreign=nobody hop="$hop nexthop"
                fi
                shift
                continue ;;
            *) shift; continue ;;
        esac
        shift 2
    done
}

# keep: files the route that words has read. The device "/", which cannot exist, is that of nobody.
keep() {
    [ -n "$type" ] && [ "$foreign" != yes ] || return 0
    case $metric in *[!0-9]*) return 0 ;; esac # from 2147483648 on BusyBox says it negative
    # Only iproute2 says "pref", and can also set "expires"; BusyBox's figure may be anything.
    [ -z "$expires" ] || [ -n "$known" ] || expires='?'
    case $expires in 0 | -*) return 0 ;; esac # run out, and the kernel has not yet swept it away
    [ "$foreign" != nobody ] && [ "$type" = unicast ] || dev=/

    used="$used$metric " devices="$devices$dev "
    case $hop in *nexthop*) route="$type$more$hop" ;; *) route="$type$hop$more" ;; esac # nexthops have to be the last words
    if [ "$metric" -gt "$top" ]; then behind="$behind$dev $route$nl"; fi
    route="$metric $dev ${expires:--} $route"
    if [ "$dev" = "$link" ]; then
        own="$own$route$nl"
    elif [ "$metric" -le "$top" ]; then
        front="$front$route$nl"
        # A multipath route, of which BusyBox says nothing but the metric.
        [ "$type" != unicast ] || [ -n "$hop" ] || opaque=yes
    fi
}

split() {
    # shellcheck disable=SC2086  # words
    set -- $1
    r_metric=$1 r_dev=$2 r_expires=$3 r_type=$4
    shift 4
    r_words=$*
}

# The link has a way out in this family: a default of its own, and an address. IPv4: the kernel takes a gateway only if an address
# makes it a neighbour; the other routes need a look.
has_way_out() {
    [ -n "$own" ] || { lacks="${lacks}IPv$family: no default route; "; return 1; }
    if [ "$family" = 6 ]; then
        while read -r _ _ _ _ _ name; do
            [ "$name" != "$link" ] || return 0
        done </proc/net/if_inet6
    else
        split "${own%%"$nl"*}"
        case " $r_words " in *' onlink '*) ;; *' via '*) return 0 ;; esac
        case $(ip -4 -o addr show dev "$link") in *inet*) return 0 ;; esac
    fi
    lacks="${lacks}IPv$family: no address; "
    return 1
}

# -- what it had ----------------------------------------------------------------------------------------------------

# home DEV: the first free metric from DEV's own on; also the lifetime that its route had, if any.
home() {
    home='' placed='' lifetime=''
    [ ! -r "$run/metric.$family.$1" ] || read -r home placed lifetime <"$run/metric.$family.$1" || :
    case $home in '' | 0* | *[!0-9]* | ??????????*) home=0 ;; esac
    case $lifetime in "expires "*[!0-9]*) lifetime='' ;; "expires "[0-9]*) ;; *) lifetime='' ;; esac
    [ "$home" -gt "$top" ] || case $1 in
        "$ETH_INTERFACE_0") home=10 ;;
        "$WIFISTA_INTERFACE_0") home=20 ;;
        "$WAN_INTERFACE_0") home=50 ;;
        *) home=100 ;;
    esac
    own_metric=$home
    while :; do
        case $used in *" $home "*) home=$((home + 1)) ;; *) break ;; esac
    done
    used="$used$home "
    # Beside its own metric, this one must not be taken for it next time.
    [ "$home" = "${placed:-$own_metric}" ] || write "metric.$family.$1" "$own_metric $home $lifetime"
}

# remember METRIC EXPIRES: where the link's own route stood. One that expires is the kernel's, from a router
# advertisement: it will make it again at that metric, where another of ours would make it refuse the advertisement. So
# ours goes one behind, and runs out as the first would have. (In front it does not: nobody would renew it there.)
remember() {
    placed=
    [ ! -r "$run/metric.$family.$link" ] || read -r _ placed _ <"$run/metric.$family.$link" || :
    [ "$placed" != "$1" ] || return 0
    case $2 in
        -) write "metric.$family.$link" "$1 $1" ;;
        '?') write "metric.$family.$link" "$(($1 + 1)) $(($1 + 1))" ;;
        *) write "metric.$family.$link" "$(($1 + 1)) $(($1 + 1)) expires $2" ;;
    esac
}

note_unfinished() { if [ -n "$1" ] || [ -s "$run/unfinished.$family" ]; then write "unfinished.$family" "$1"; fi; }

# No directory, a full disk: it works without, with the metrics of the page above.
write() { { printf '%s' "${2:+$2$nl}" >"$run/$1"; } 2>/dev/null || :; }

# -- what is done ---------------------------------------------------------------------------------------------------

# change VERB METRIC [LIFETIME]: on the route that split has taken apart.
change() {
    # shellcheck disable=SC2086  # words
    ip "-$family" route "$1" "$r_type" default metric "$2" $r_words ${3:-}
}

# put_back ROUTE: gives it its own metric.
put_back() {
    split "$1"
    case $behind in *"$nl$r_dev $r_type $r_words$nl"*) return 0 ;; esac # its DHCP client has just done so
    home "$r_dev"
    if change add "$home" "$lifetime"; then
        say "put back at metric $home: default $r_words"
        return 0
    fi
    # A link that has gone down in this moment has lost its routes anyway.
    case $(ip link show dev "$r_dev" 2>/dev/null) in
        *[\<,]UP[,\>]*) ;;
        *) [ "$r_dev" = / ] || return 0 ;;
    esac
    complain "IPv$family: cannot put back at metric $home: default $r_words"
    return 1
}

# step_aside ROUTE: put back first, then gone from the front.
step_aside() {
    put_back "$1" || return 0
    split "$1"
    change del "$r_metric" || complain "IPv$family: cannot remove from metric $r_metric: default $r_words"
}

clear_front() {
    IFS=$nl
    for route in $front; do
        IFS=" $tab$nl"
        step_aside "$route"
    done
    IFS=" $tab$nl"
}

# renewed: a DHCP client that has got another router says so at the metric that the link's route had. What we made of the
# former one is stale, then. (Not so in IPv6, where several routers may well stand side by side.)
renewed() {
    split "$first"
    stale=$r_words
    [ "$family" = 4 ] && [ "$r_metric" -le "$top" ] && [ -r "$run/metric.4.$link" ] || return 0
    read -r had _ <"$run/metric.4.$link" || return 0
    IFS=$nl
    for route in $own; do
        IFS=" $tab$nl"
        split "$route"
        if [ "$r_metric" = "$had" ] && [ "$r_words" != "$stale" ]; then first=$route; fi
    done
    IFS=" $tab$nl"
}

# take_over: false if nothing has changed.
take_over() {
    first=${own%%"$nl"*} ahead=
    renewed
    split "$first"
    mine=$r_words
    if [ "$r_metric" -gt "$top" ]; then
        # What is in front is replaced, but that is only one.
        ahead=${front%%"$nl"*} front=${front#*"$nl"}
        clear_front
        [ -z "$ahead" ] || note_unfinished "$ahead"
        split "$first"
        if ! change replace "$top"; then
            note_unfinished ''
            complain "IPv$family: cannot take over: default $mine"
            return 1
        fi
        say "took over, metric $r_metric -> $top: default $mine"
    else
        say "in front: default $mine"
        clear_front
    fi

    # Its former place, and what a client has put there again: one default a link, as before.
    noted=
    IFS=$nl
    for route in $own; do
        IFS=" $tab$nl"
        split "$route"
        if [ "$r_words" != "$mine" ] || [ "$r_metric" -le "$top" ]; then continue; fi
        [ -n "$noted" ] || remember "$r_metric" "$r_expires"
        noted=yes
        if change del "$r_metric"; then
            used="${used%%" $r_metric "*} ${used#*" $r_metric "}"
        else
            complain "IPv$family: cannot remove from metric $r_metric: default $mine"
        fi
    done
    IFS=" $tab$nl"

    [ -z "$ahead" ] || ! put_back "$ahead" || note_unfinished ''
}

# -- the switch -----------------------------------------------------------------------------------------------------

[ $# = 1 ] || { echo "usage: $self IFNAME" >&2; exit 64; }
link=$1
# shellcheck source=/dev/null
. "$here/get_netif_names" || exit
case $link in
    "$ETH_INTERFACE_0" | "$WIFISTA_INTERFACE_0" | "$WAN_INTERFACE_0") ;;
    *) complain "'$link' is no link: they are $ETH_INTERFACE_0, $WIFISTA_INTERFACE_0, $WAN_INTERFACE_0"; exit 64 ;;
esac

# front_describable: what cannot be put back is not touched.
front_describable() {
    [ -z "$opaque" ] || complain "IPv$family: this ip does not show the multipath default in front, so it is left there"
    [ -z "$opaque" ]
}

took='' lacks=''
survey 4
if has_way_out; then
    front_describable && take_over || exit 1
    took=4
fi
if [ -e /proc/net/if_inet6 ]; then
    survey 6
    if has_way_out; then
        ! front_describable || ! take_over || took="${took}6"
    elif [ -n "$took" ]; then
        ! front_describable || clear_front
    fi
fi
case $took in
    '') [ "$failed" = 1 ] || complain "$link has no way out (${lacks%; })" ;;
    6) survey 4; ! front_describable || clear_front ;;
esac
exit "$failed"
