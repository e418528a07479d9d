#!/bin/sh
# get_netif_names reads netif_names like a shell that sources it, executes nothing of it, and reports errors
# with their line.
# takes 50 s
. "$(dirname "$0")/lib.sh"

ETC=$LAB/etc
NAMES=$ETC/netif_names
mkdir -p "$ETC"
SCRIPTS=${SCRIPTS:-$REPO/scripts}
clean_env="$(command -v env) -i PATH=$PATH LC_ALL=C.UTF-8 CONNMGR_CONFIG_DIR=$ETC"

# written: writes the file from stdin; "\r" stands for a carriage return.
written() { sed "s/\\\\r/$(printf '\r')/" >"$NAMES"; }

# shellcheck disable=SC2086  # words
run_it() { $clean_env $SHELL_CMD "$SCRIPTS/get_netif_names" >"$LAB/out" 2>"$LAB/err"; }

# shellcheck disable=SC2016,SC2086  # the inner shell's business; words
show() {
    $clean_env $SHELL_CMD -c '
        '"$1"'
        printf "%s=\047%s\047\n" ETH_INTERFACE_0 "$ETH_INTERFACE_0" WIFISTA_INTERFACE_0 "$WIFISTA_INTERFACE_0" \
            WAN_INTERFACE_0 "$WAN_INTERFACE_0" WIFIAP_INTERFACE_0 "$WIFIAP_INTERFACE_0" \
            BRIDGE_INTERFACE_0 "$BRIDGE_INTERFACE_0"'
}
run_as_a_daemon_does() {
    run_it
    cat "$LAB/out"
}
source_it() { show "set -eu; . '$SCRIPTS/get_netif_names'"; }
source_the_file() {
    show "ETH_INTERFACE_0=eth0 WIFISTA_INTERFACE_0=wlan0 WAN_INTERFACE_0=wwan0 WIFIAP_INTERFACE_0=wlan0-1
        BRIDGE_INTERFACE_0=br-apnet; . '$NAMES'"
}

same() {
    same_desc="$SHELL_CMD: $1"
    shift
    cat >"$LAB/expected"
    "$@" >"$LAB/got" 2>&1 || echo "status $?" >>"$LAB/got"
    check "$same_desc" diff -U 20 "$LAB/expected" "$LAB/got"
}

# good DESC: the script and a shell must read the same names.
good() {
    written
    source_the_file >"$LAB/by-shell" 2>&1
    same "$1: as a shell reads it, when run" run_as_a_daemon_does <"$LAB/by-shell"
    same "$1: as a shell reads it, when sourced" source_it <"$LAB/by-shell"
}

# bad LINE WORDS: the file on stdin must be refused, run and sourced, with the file's name, the line and the
# words.
bad() {
    written
    check "$SHELL_CMD: $2: refused when run" refused_at "$1" "$2" run_it
    check "$SHELL_CMD: $2: refused when sourced" refused_at "$1" "$2" source_quietly
}
in_a_bad_environment() { (clean_env="$clean_env ETH_INTERFACE_0=evil"; run_as_a_daemon_does); }
source_quietly() { source_it >"$LAB/out" 2>"$LAB/err"; }
refused_at() {
    "$3" && refused_status=0 || refused_status=$?
    cat "$LAB/out" "$LAB/err"
    [ "$refused_status" = 78 ] && [ ! -s "$LAB/out" ] && grep -qF "$NAMES:$1: " "$LAB/err" && grep -qF -- "$2" "$LAB/err" &&
        [ "$(wc -l <"$LAB/err")" = 1 ]
}
warned() {
    run_it
    cat "$LAB/err"
}

everything() {
    rm -rf "$NAMES"
    same "no file: the defaults" run_as_a_daemon_does <<'END'
ETH_INTERFACE_0='eth0'
WIFISTA_INTERFACE_0='wlan0'
WAN_INTERFACE_0='wwan0'
WIFIAP_INTERFACE_0='wlan0-1'
BRIDGE_INTERFACE_0='br-apnet'
END
    same "no file: one warning" warned <<END
$NAMES is missing, using the defaults
END
    same "no file: sourced, it says nothing" source_it <"$LAB/out"
    same "the environment sets no name" in_a_bad_environment <"$LAB/out"

    good "a plain file" <<'END'
# the names
ETH_INTERFACE_0='eth1'
WIFISTA_INTERFACE_0='wlp2s0'

WAN_INTERFACE_0='wwp0s20f0u2i12'
WIFIAP_INTERFACE_0='ap'
BRIDGE_INTERFACE_0='br.lan-1'
END
    printf "ETH_INTERFACE_0='eth7'" | good "no newline at the end"
    good "white space, comments, other quotes, the last one counts" <<'END'
   # comment with a quote '
	ETH_INTERFACE_0='eth7'   # the port at the back
  WIFISTA_INTERFACE_0="wlan7"	
WAN_INTERFACE_0=ppp0 # ' "
BRIDGE_INTERFACE_0='br-a'
BRIDGE_INTERFACE_0='br-b'
END
    good "two names exchanged" <<'END'
ETH_INTERFACE_0='wlan0'
WIFISTA_INTERFACE_0='eth0'
END
    echo "WIFISTA_INTERFACE_0='wlan0-1'" | good "the station has the access point's default name"
    good "15 bytes, keywords, other characters" <<'END'
ETH_INTERFACE_0='abcdefghijklmno'
WIFISTA_INTERFACE_0='dev'
WAN_INTERFACE_0='a$b`c\*"=#&;|'
WIFIAP_INTERFACE_0='e-'
BRIDGE_INTERFACE_0='0'
END

    written <<'END'
ETH_INTERFACE_0='eth7'
PATH='/nowhere'
ETH_INTERFACE_10='eth8'
END
    same "unknown keys: a warning each" warned <<END
$NAMES:2: unknown key 'PATH', ignoring
$NAMES:3: unknown key 'ETH_INTERFACE_10', ignoring
END
    run_it
    same "unknown keys: the others count; sourced, it says nothing" source_it <"$LAB/out"
    # shellcheck disable=SC2016
    same "unknown keys: no other variable is set" show '. "'"$SCRIPTS"'/get_netif_names"; echo "$PATH"; exit' <<END
$PATH
END

    good "empty roles" <<'END'
ETH_INTERFACE_0=''
WIFIAP_INTERFACE_0=
BRIDGE_INTERFACE_0=""
END
    written <<'END'
ETH_INTERFACE_0=
ETH_INTERFACE_9='eth9'
WAN_INTERFACE_3=ppp0
WIFISTA_INTERFACE_0='wlan0' # "
PREFER='ppp0	eth9 x'
METERED="eth9"
UNMETERED=''
END
    same "several of a kind: when run" run_as_a_daemon_does <<'END'
ETH_INTERFACE_0=''
ETH_INTERFACE_9='eth9'
WIFISTA_INTERFACE_0='wlan0'
WAN_INTERFACE_0='wwan0'
WAN_INTERFACE_3='ppp0'
WIFIAP_INTERFACE_0='wlan0-1'
BRIDGE_INTERFACE_0='br-apnet'
PREFER='ppp0	eth9 x'
METERED='eth9'
END
    # shellcheck disable=SC2016
    same "several of a kind: when sourced" show 'set -eu; . "'"$SCRIPTS"'/get_netif_names"
        echo "$LINK_INTERFACES|$ETH_INTERFACE_9|$ETH_INTERFACE_8|$PREFER|$UNMETERED|"; exit' <<'END'
eth9 wlan0 wwan0 ppp0|eth9||ppp0	eth9 x||
END
    # What the daemon tells its scripts; the files do not count then.
    # shellcheck disable=SC2016
    same "the daemon's names" show 'set -eu
        CONNMGR_NETIF_NAMES="ETH_INTERFACE_0='"''"'
WIFISTA_INTERFACE_0='"'w'"'
WAN_INTERFACE_0='"''"'
WAN_INTERFACE_9='"'ppp9'"'
"
        . "'"$SCRIPTS"'/get_netif_names"; echo "$LINK_INTERFACES"
        CONNMGR_NETIF_NAMES="lan1 sta lte ap br"
        . "'"$SCRIPTS"'/get_netif_names"; echo "$LINK_INTERFACES $WIFIAP_INTERFACE_0 $BRIDGE_INTERFACE_0"; exit' <<'END'
w ppp9
lan1 sta lte ap br
END
    bad 4 "there is no link: " <<'END'
ETH_INTERFACE_0=
WAN_INTERFACE_0=''
#
WIFISTA_INTERFACE_0=''
BRIDGE_INTERFACE_0=''
END
    bad 2 "'eth0' is both in METERED and in UNMETERED" <<'END'
METERED='eth0'
UNMETERED='wlan0	eth0'
END
    echo "PREFER='eth0 a/b'" | bad 1 "no '/', no ':' and no white space"
    echo "WAN_INTERFACE_7='wlan0'" | bad 1 "the name 'wlan0' is given to two interfaces"
    bad 1 "longer than 15 bytes" <<'END'
ETH_INTERFACE_0='abcdefghijklmnop'
END
    for name in a/b a:b; do
        echo "WAN_INTERFACE_0='$name'" | bad 1 "no '/', no ':' and no white space"
    done
    for name in -e 'a b' 'a	b' 'eth0\r' é; do
        echo "WAN_INTERFACE_0='$name'" | bad 1 "no printable ASCII"
    done
    for name in . ..; do
        echo "WAN_INTERFACE_0='$name'" | bad 1 "is no interface name"
    done
    bad 1 "the name 'eth0' is given to two interfaces" <<'END'
WAN_INTERFACE_0='eth0'
END
    bad 3 "the name 'x' is given to two interfaces" <<'END'
ETH_INTERFACE_0='x'
BRIDGE_INTERFACE_0='b'
WAN_INTERFACE_0='x'
END
    bad 3 "the name 'x' is given to two interfaces" <<'END'
BRIDGE_INTERFACE_0='x'
WAN_INTERFACE_0='c'
ETH_INTERFACE_0='x'
END
    bad 2 "the name 'wlan0-1' is given to two interfaces" <<'END'
WIFISTA_INTERFACE_0='wlan0-1'
WIFIAP_INTERFACE_0='wlan0-1'
END
    bad 1 "something follows the value" <<'END'
ETH_INTERFACE_0='eth7'\r
END
    bad 1 "something follows the value" <<'END'
ETH_INTERFACE_0='a''b'
END
    bad 1 "no space before '#'" <<'END'
ETH_INTERFACE_0='eth7'#x
END
    for line in 'eth0' 'ETH_INTERFACE_0 = x' "export ETH_INTERFACE_0='x'" "=x" "1A='x'" "[ -n a=b ]"; do
        echo "$line" | bad 1 "not of the form KEY='value'"
    done
    # shellcheck disable=SC2016
    for line in "='eth7" '="eth7' "=eth'7'" '=$X' '=~' '=a;b' '=a&b' '=a*'; do
        echo "ETH_INTERFACE_0$line" | bad 1 "not a value in quotes"
    done

    # shellcheck disable=SC2016
    for value in '$(touch '"$LAB"'/done)' '`touch '"$LAB"'/done`' "';touch $LAB/done;'" "x; touch $LAB/done" \
        '"$(touch '"$LAB"'/done)"' '"`touch '"$LAB"'/done`"' "x;touch\${IFS}$LAB/done" "x
touch $LAB/done"; do
        echo "ETH_INTERFACE_0=$value" >"$NAMES"
        check "$SHELL_CMD: not executed: $(echo "$value" | head -n 1)" not run_it
        check "$SHELL_CMD: not executed when sourced" not source_quietly
    done
    check "$SHELL_CMD: nothing was executed" [ ! -e "$LAB/done" ]

    rm -f "$NAMES"
    mkdir "$NAMES"
    check "$SHELL_CMD: a directory is no file" refused_at 0 "cannot be read" run_it
    rmdir "$NAMES"

    echo "WAN_INTERFACE_0='ppp0' # modem" >"$NAMES"
    # shellcheck disable=SC2016
    same "the caller's shell is as it was" show 'set -euf; IFS=:; LC_ALL=C.UTF-8; set -- a "b c"; before=$-
        . "'"$SCRIPTS"'/get_netif_names"; [ "$before" = "$-" ]; echo "$IFS|$LC_ALL|$#|$2|$WAN_INTERFACE_0"; exit' <<'END'
:|C.UTF-8|2|b c|ppp0
END
}

for SHELL_CMD in dash 'busybox ash'; do
    if command -v "${SHELL_CMD%% *}" >/dev/null; then everything; else skip "no $SHELL_CMD here"; fi
done
