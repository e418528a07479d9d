#!/bin/sh
# story.sh: a locked device of the lab, the stand-in of LuCI in front of it, and what a user does with its pages (story.py).
# run.sh runs it in a sandbox.
# shellcheck source=../netns/lib.sh
. "$NETNS_DIR/lib.sh"

export LAB_DNS="--host-record=api.shop.example,198.18.100.8 --host-record=www.shop.example,198.18.100.11"
FIREWALL='' BACKEND=nft
export FIREWALL BACKEND
lab_up
printf '# The shop\n*.shop.example\necho.example\n198.18.103.0/24\n' >"$LAB/etc/whitelist"
start_connmgr
wait_for 20 "eth0 is in use, it and wlan0 are confirmed" settled
wait_for 20 "locked" log_has 'locked in '
on device getent ahostsv4 api.shop.example >/dev/null

# The init script, as the plugin uses it: `start` runs the same command again.
tr '\0' '\n' <"/proc/$CONNMGR_PID/cmdline" >"$LAB/command"
cat >"$LAB/init" <<END
#!/bin/sh
case \$1 in
    stop) kill -TERM "\$(cat "$LAB/run/connmgr.pid")" ;;
    start)
        tr '\n' '\0' <"$LAB/command" | setsid xargs -0 nsenter --net=/run/netns/device >>"$LAB/connmgr.log" 2>&1 &
        until [ -S "$LAB/run/connmgr.sock" ] && ! flock -n "$LAB/run/connmgr.pid" true; do sleep 0.1; done ;;
esac
END
# The plugin, as rpcd runs it. If $LAB/hostile exists, what the daemon answers has markup in each string.
cat >"$LAB/plugin" <<END
#!/bin/sh
program=\$(cat "$LAB/program")
exec nsenter --net=/run/netns/device env PATH="$REPO/tests/openwrt:\$PATH" CONNMGR="\$program" CONNMGR_INIT="$LAB/init" CONNMGR_RUN_DIR="$LAB/run" \\
    CONNMGR_CONFIG_DIR="$LAB/etc" CONNMGR_SCRIPT_DIR="$REPO/scripts" "$REPO/scripts/openwrt/connmgr.rpcd" "\$@"
END
cat >"$LAB/hostile" <<END
#!/bin/sh
"$(connmgr_path)" "\$@" | /usr/bin/python3 "$REPO/tests/luci/hostile.py"
END
connmgr_path >"$LAB/program"
chmod +x "$LAB/init" "$LAB/plugin" "$LAB/hostile"
printf "config connmgr 'main'\n\toption enabled '1'\n\tlist echo 'echo.example:80'\n" >"$LAB/config"

# The user's desk: it has no network but its own.
ip netns add desk
ip -n desk link set lo up
on desk /usr/bin/python3 "$REPO/tests/luci/server.py" 8080 "$REPO/scripts/openwrt/luci-app-connmgr" "$LAB/plugin" "$LAB/config" &
on desk /usr/bin/python3 "$REPO/tests/luci/story.py" http://127.0.0.1:8080 "$LAB" "$(connmgr_path)" "$PICTURES" || LAB_FAILED=1
