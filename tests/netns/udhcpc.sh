#!/bin/sh
# udhcpc.sh EVENT: BusyBox's DHCP client calls it for each event. It logs the event and applies it.
# shellcheck disable=SC2154  # set by udhcpc
case $1 in
    bound | renew)
        ip -4 address replace "$ip/${mask:-24}" dev "$interface"
        for gateway in ${router:-}; do ip route replace default via "$gateway" dev "$interface" metric "${METRIC:-10}"; done ;;
    deconfig) ip -4 address flush dev "$interface" ;;
esac
echo "$1 ${ip:-} from ${serverid:-}"
