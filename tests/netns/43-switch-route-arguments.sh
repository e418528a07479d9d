#!/bin/sh
# switch_route.sh accepts the name of a link and nothing else, executes nothing of it, and confuses no names.
# takes 40 s, busy
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/40-switch-route.sh"

bad_arguments() {
    new_box
    given_all
    tables >"$LAB/before"
    # shellcheck disable=SC2016
    for name in '' eth1 eth0.1 eth ETH0 'eth0 wlan0' 'eth*' '*' lo br-apnet wlan0-1 -h --help '$(touch '"$LAB"'/done)' \
        '`touch '"$LAB"'/done`' "eth0; touch $LAB/done" "eth0
wlan0" ../eth0 'eth0:1' 0 -4; do
        refused 64 "$name"
        check "$VARIANT: a message" [ -s "$LAB/said" ]
    done
    refused 64
    refused 64 eth0 wlan0
    same "nothing has changed" tables <"$LAB/before"
    nothing "no events" events
    check "$VARIANT: nothing was executed" [ ! -e "$LAB/done" ]

    echo "WAN_INTERFACE_0='eth0'" >"$ETC/netif_names"
    refused 78 eth0
    same "bad netif_names: it says where" said <<END
$ETC/netif_names:1: ETH_INTERFACE_0 and WAN_INTERFACE_0 are both 'eth0'
END
    same "bad netif_names: nothing has changed" tables <"$LAB/before"
}

# Names that are keywords of ip, and a name that is the beginning of another.
odd_names() {
    new_box "dev via metric"
    ip -batch - <<'END'
link add name eth0 netns box type veth peer name odd1 netns far
link add name dev.1 netns box type veth peer name odd2 netns far
END
    ip -n far link set odd1 up
    ip -n far link set odd2 up
    cat >"$ETC/netif_names" <<'END'
ETH_INTERFACE_0='dev'
WIFISTA_INTERFACE_0='via'
WAN_INTERFACE_0='metric'
END
    given <<'END'
link set dev eth0 up
link set dev dev.1 up
address add 198.18.4.2/24 dev dev.1
-4 route add default via 198.18.4.1 dev dev.1 metric 5
-4 route add default via 198.18.1.1 dev dev metric 10
-4 route add default via 198.18.2.1 dev via metric 20
-4 route add default dev metric metric 50
-6 route add default via fe80::1 dev dev metric 10
-6 route add default via fe80::2 dev via metric 20
-6 route add default dev metric metric 50
END
    for link in metric via dev metric dev; do switched "$link"; done
    same "links called dev, via and metric" tables <<'END'
default via 198.18.1.1 dev dev
default via 198.18.4.1 dev dev.1 metric 5
default via 198.18.2.1 dev via metric 20
default dev metric scope link metric 50
default via fe80::1 dev dev metric 1
default via fe80::2 dev via metric 20
default dev metric metric 50
END
    refused 64 eth0
}

# The default names count only if the file sets no others.
a_name_within_a_name() {
    new_box "eth0 eth0.1 eth"
    cat >"$ETC/netif_names" <<'END'
ETH_INTERFACE_0='eth0'
WIFISTA_INTERFACE_0='eth0.1'
WAN_INTERFACE_0='eth'
END
    given <<'END'
-4 route add default via 198.18.1.1 dev eth0 metric 10
-4 route add default via 198.18.2.1 dev eth0.1 metric 20
-4 route add default dev eth metric 50
END
    for link in eth0.1 eth eth0 eth0.1; do switched "$link"; done
    same "links called eth0, eth0.1 and eth" tables <<'END'
default via 198.18.2.1 dev eth0.1
default via 198.18.1.1 dev eth0 metric 10
default dev eth scope link metric 50
END
}

# Patterns that a careless shell would expand to file names.
names_that_match_files() {
    new_box "4* [4]* ?0-*"
    cat >"$ETC/netif_names" <<'END'
ETH_INTERFACE_0='4*'
WIFISTA_INTERFACE_0='[4]*'
WAN_INTERFACE_0='?0-*'
END
    given_names "4*" "[4]*" "?0-*"
    for link in "[4]*" "?0-*" "4*" "[4]*"; do switched "$link"; done
    same "links called 4*, [4]* and ?0-*" tables_unmarked <<'END'
default via 198.18.2.1 dev (4)*
default via 198.18.1.1 dev 4* metric 10
default dev ?0-* scope link metric 50
END
}
given_names() {
    ip -n box route add default via 198.18.1.1 dev "$1" metric 10
    ip -n box route add default via 198.18.2.1 dev "$2" metric 20
    ip -n box route add default dev "$3" metric 50
}
tables_unmarked() { tables | tr '[]' '()'; }

# Where the script finds get_netif_names.
started_from_anywhere() {
    new_box
    given_all
    # shellcheck disable=SC2016
    for how in 'cd "$1"; exec $2 switch_route.sh wlan0' 'cd "$1"; exec $2 ./switch_route.sh eth0' \
        'cd /; exec $2 ."$1/switch_route.sh" wlan0'; do
        STATUS=0
        # shellcheck disable=SC2086
        on box env PATH="$LAB/path:$PATH" CONNMGR_CONFIG_DIR="$ETC" CONNMGR_RUN_DIR="$RUN" \
            CONNMGR_EXECUTABLE="$(connmgr_path)" sh -c "$how" sh "${SCRIPTS:-$REPO/scripts}" "$SHELL_CMD" >"$LAB/said" 2>&1 || STATUS=$?
        check "$VARIANT: started by: $how" status_is 0
    done
}

variants bad_arguments odd_names a_name_within_a_name names_that_match_files started_from_anywhere
