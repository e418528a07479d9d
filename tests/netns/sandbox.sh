#!/bin/sh
# sandbox.sh COMMAND...: runs COMMAND as root in new namespaces, in which it may change the network, /run and
# the resolver files freely. No cleanup is needed: when the command ends, the kernel removes everything. $LAB
# is the directory for the command's files; if it is not set, a temporary one is made.
set -eu

here=$(cd "$(dirname "$0")" && pwd)

if [ -z "${LAB_SANDBOX:-}" ]; then
    [ "$(id -u)" = 0 ] || { echo "sandbox.sh: needs root (namespaces, mounts, iptables)" >&2; exit 77; }

    labtool=${here%/tests/netns}/artifacts/lab/labtool
    (
        cd "$here"
        set -- labtool.h dns_message.h labtool.c dns_server.c dns_clients.c echo.c traffic.c tunnel.c watch.c knock.c netifd.c inject.c
        if [ ! -e "$labtool" ] || [ -n "$(find "$@" -newer "$labtool")" ]; then
            mkdir -p "${labtool%/*}"
            shift 2 # the headers
            # Another run may be using the old one: replace it by renaming, never overwrite it.
            cc -std=c11 -O2 -Wall -Wextra -Werror -o "$labtool.$$" "$@"
            mv "$labtool.$$" "$labtool"
        fi
    )

    # In a chroot "/" is not a mount point and cannot be made private.
    propagation=private
    mountpoint -q / || propagation=unchanged
    export LAB_SANDBOX=inside
    # When the caller dies, for whatever reason, the sandbox dies with it.
    exec setpriv --pdeathsig KILL \
        unshare --net --mount --propagation "$propagation" --pid --fork --kill-child sh "$0" "$@"
fi

if ! mountpoint -q /; then
    # ip(8) makes "/" a slave mount, which needs a mount point: bind the same tree again.
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

# /etc/resolv.conf may be a link into /run, which is empty now.
resolv=$(readlink -f /etc/resolv.conf)
mkdir -p "${resolv%/*}"
[ -e "$resolv" ] || : >"$resolv"
: >"$LAB/resolv.conf"
mount --bind "$LAB/resolv.conf" "$resolv"

ip link set lo up

# Do not exec: this shell is process 1 of the namespace and reaps orphans.
"$@" && status=0 || status=$?
exit "$status"
