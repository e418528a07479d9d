# shellcheck shell=sh
# A root directory as bare as a device's: connmgr as `make install` installs it, BusyBox, iptables with its
# libraries, nothing else. Tests source this after lib.sh, and call it before start_connmgr.

# bare_root EXECUTABLE [EMULATOR]: sets ROOT, CONNMGR and SCRIPTS, so that the daemon and its children run
# there.
bare_root() {
    ROOT=$LAB/root
    "$REPO/install.sh" "$1" "$ROOT" dev none
    mkdir -p "$ROOT/bin" "$ROOT/proc" "$ROOT/run" "$ROOT/tmp" "$ROOT/dev" "$ROOT$LAB" "$ROOT/usr/bin"
    mknod "$ROOT/dev/null" c 1 3
    for lab_tool in "$(command -v busybox)" "$(readlink -f "$(command -v iptables-nft)")"; do
        cp "$lab_tool" "$ROOT/bin/"
        # Dynamically linked programs need their libraries at the same path.
        for lab_library in $(ldd "$lab_tool" 2>/dev/null | grep -o '/[^ ]*'); do
            mkdir -p "$ROOT${lab_library%/*}"
            cp -L "$lab_library" "$ROOT$lab_library"
        done
    done
    for lab_extensions in /usr/lib/*/xtables; do
        mkdir -p "$ROOT${lab_extensions%/*}"
        cp -r "$lab_extensions" "$ROOT$lab_extensions"
    done
    for lab_tool in iptables ip6tables; do
        for lab_way in '' -save -restore; do ln -s xtables-nft-multi "$ROOT/bin/$lab_tool$lab_way"; done
    done
    chroot "$ROOT" /bin/busybox --install -s /bin
    mount -t proc proc "$ROOT/proc"
    mount --bind "$LAB" "$ROOT$LAB"

    lab_program=/usr/sbin/connmgr
    if [ -n "${2-}" ]; then
        cp "$2" "$ROOT/usr/bin/"
        lab_program="/usr/bin/${2##*/} $lab_program"
    fi
    printf '#!/bin/sh\nexec chroot "%s" %s "$@"\n' "$ROOT" "$lab_program" >"$LAB/connmgr"
    chmod +x "$LAB/connmgr"
    CONNMGR=$LAB/connmgr SCRIPTS=/usr/lib/af-conn
}

# The shell and everything else except iptables is BusyBox.
is_bare() {
    # shellcheck disable=SC2016 # expanded there
    [ "$(chroot "$ROOT" /bin/sh -c 'readlink /bin/sh; readlink "$(command -v ip)"' | sed 's,.*/,,' | sort -u)" = busybox ] &&
        [ ! -e "$ROOT/sbin/ip" ] && [ ! -e "$ROOT/bin/bash" ] && [ ! -e "$ROOT/bin/ipset" ] && [ ! -e "$ROOT/bin/conntrack" ]
}
