#!/bin/sh
# every_second.sh ADDRESS: does what many devices do instead of running connmgr: a ping every second. After three
# without an answer the link is left; after three with an answer it is used again. Prints "TIME left" and "TIME back"
# (hundredths of a second since the machine started), and changes nothing.
state=back same=0
while :; do
    read -r began _ </proc/uptime
    if ping -c 1 -W 1 "$1" >/dev/null 2>&1; then found=back; else found=left; fi
    if [ "$found" = "$state" ]; then same=0; else same=$((same + 1)); fi
    read -r ended _ </proc/uptime
    if [ "$same" = 3 ]; then
        state=$found same=0
        echo "${ended%.*}${ended#*.} $state"
    fi
    took=$((${ended%.*}${ended#*.} - ${began%.*}${began#*.}))
    [ "$took" -ge 100 ] || sleep "0.$(printf %02d $((99 - took)))"
done
