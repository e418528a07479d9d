#!/bin/sh
# boot_lockdown.sh [OPTIONS]: what init runs before the network comes up, with the options that the daemon gets. It runs
# init_firewall.sh; if that is missing or fails, it sets every policy to DROP itself: better no service than an open device
# that claims to be locked. With -d or --disable-firewall among the options it does nothing.
#
# Status 0: locked, as init_firewall.sh does it. 1: shut altogether. 71: shut only in part, stderr says what is open.
set -uf

script_dir=/usr/lib/af-conn config_dir=/etc/af-conn run_dir=/var/run/connmgr previous=
for word; do
    case $previous in
        --script-dir) script_dir=$word ;;
        --config-dir) config_dir=$word ;;
        --run-dir) run_dir=$word ;;
    esac
    case $word in
        -d | --disable-firewall | --disable-firewall=true) exit 0 ;;
        --script-dir=*) script_dir=${word#*=} ;;
        --config-dir=*) config_dir=${word#*=} ;;
        --run-dir=*) run_dir=${word#*=} ;;
    esac
    previous=$word
done
export CONNMGR_CONFIG_DIR="$config_dir" CONNMGR_RUN_DIR="$run_dir"
mkdir -p "$run_dir" || :

if "$script_dir/init_firewall.sh"; then
    exit 0
fi
echo "boot_lockdown.sh: $script_dir/init_firewall.sh failed, setting all policies to DROP" >&2
status=1
for tables in iptables iptables-legacy iptables-nft ip6tables ip6tables-legacy ip6tables-nft; do
    command -v "$tables" >/dev/null || case $tables in
        iptables) echo "boot_lockdown.sh: there is no iptables: IPv4 is open" >&2; status=71; continue ;;
        ip6tables)
            [ ! -e /proc/net/if_inet6 ] || { echo "boot_lockdown.sh: there is no ip6tables: IPv6 is open" >&2; status=71; }
            continue ;;
        *) continue ;;
    esac
    case $tables in ip6*) [ -e /proc/net/if_inet6 ] || continue ;; esac
    for hook in INPUT OUTPUT FORWARD; do
        "$tables" -w 5 -P "$hook" DROP 2>/dev/null || "$tables" -P "$hook" DROP || case $tables in
            *-*) ;; # the platform's own, above, is the one that counts
            *) echo "boot_lockdown.sh: $tables -P $hook DROP failed" >&2; status=71 ;;
        esac
    done
done
exit "$status"
