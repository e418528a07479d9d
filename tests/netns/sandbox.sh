#!/bin/sh
# sandbox.sh COMMAND...: runs COMMAND as root in namespaces of its own, in which it may do to the network, to /run and to
# the resolver files what it likes. Nothing has to be cleaned up: when the command ends, the kernel takes it all back.
# $LAB names the directory for the command's files; without it, there is one that vanishes, too.
set -eu

here=$(cd "$(dirname "$0")" && pwd)

if [ -z "${LAB_SANDBOX:-}" ]; then
    [ "$(id -u)" = 0 ] || { echo "sandbox.sh: needs root (namespaces, mounts, iptables)" >&2; exit 77; }

    labtool=${here%/tests/netns}/artifacts/lab/labtool
    (
        cd "$here"
        set -- labtool.h labtool.c dns.c echo.c traffic.c tunnel.c watch.c knock.c netifd.c
        if [ ! -e "$labtool" ] || [ -n "$(find "$@" -newer "$labtool")" ]; then
            mkdir -p "${labtool%/*}"
            shift
            # Another run may be using the old one: replaced by name, never written over.
            cc -std=c11 -O2 -Wall -Wextra -Werror -o "$labtool.$$" "$@"
            mv "$labtool.$$" "$labtool"
        fi
    )

    # In a chroot "/" is no mount point, and cannot be made private.
    propagation=private
    mountpoint -q / || propagation=unchanged
    export LAB_SANDBOX=inside
    # Whoever wanted the sandbox takes it along when he dies, whatever he dies of.
    exec setpriv --pdeathsig KILL \
        unshare --net --mount --propagation "$propagation" --pid --fork --kill-child sh "$0" "$@"
fi

if ! mountpoint -q /; then
    # ip(8) wants to make "/" a slave, so give it one that is a mount point: the same tree once more.
    mount --rbind / /mnt
    exec chroot /mnt sh "$0" "$@"
fi
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir -p /run/netns /run/lock /tmp/resolv.conf.d
mount -t tmpfs tmpfs /tmp/resolv.conf.d

export LAB="${LAB:-/run/lab}"
mkdir -p "$LAB"

# /etc/resolv.conf may be a link to somewhere below /run, which has just become empty.
resolv=$(readlink -f /etc/resolv.conf)
mkdir -p "${resolv%/*}"
[ -e "$resolv" ] || : >"$resolv"
: >"$LAB/resolv.conf"
mount --bind "$LAB/resolv.conf" "$resolv"

ip link set lo up

# Not exec: this shell is the first process of the namespace, and reaps what others leave.
"$@" && status=0 || status=$?
exit "$status"
