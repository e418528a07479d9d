#!/bin/sh
# If replies cannot be held, the daemon reads a copy of them and reports why: the kernel refuses the rule, or
# another program uses the queue.
# takes 30 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/fresh.sh"

FIREWALL=
lab_up
fresh_names
reaches() { on device socat -u OPEN:/dev/null "TCP:$1:80,connect-timeout=3"; }
queue_rules() {
    if is_nft; then
        on device nft list table inet connmgr | grep -c ' queue ' || :
    else
        on device iptables -S | grep -c NFQUEUE || :
    fi
}

mkdir "$LAB/tools"
for tool in iptables-restore ip6tables-restore; do
    real=$(command -v $tool)
    cat >"$LAB/tools/$tool" <<END
#!/bin/sh
case \${1-} in -V) exec $real -V ;; esac
input=\$(cat)
case \$input in *NFQUEUE*) echo "NFQUEUE: no such target" >&2; exit 2 ;; esac
printf '%s\n' "\$input" | exec $real "\$@"
END
    chmod +x "$LAB/tools/$tool"
done
system_path=$PATH
PATH=$LAB/tools:$PATH

printf '*.fresh.example\n' >"$LAB/etc/whitelist"
if is_nft && can_hold; then
    skip "with nft: this kernel does not refuse the rule"
else
    start_connmgr --dns auto
    wait_for 3 "no rule: it says so" log_has "addresses by $(sets); DNS: sniff, since the kernel cannot queue packets for a program by (iptables|nft)"
    wait_for 5 "eth0 is in use" in_use eth0
    check "a fresh name is open" reaches h-198-18-101-1.fresh.example
    stop_connmgr
fi

PATH=$system_path
holding() {
    start_connmgr --dns auto --queue-num 7
    wait_for 3 "with the rule, it holds replies" log_has 'DNS: hold'
    check "by that number" test "$(queue_rules)" -gt 0
    first=$CONNMGR_PID
    # A second connmgr with its own files in the same network plays a product that uses the queue already.
    cp -r "$LAB/etc" "$LAB/etc2"
    nsenter --net=/run/netns/device "$(connmgr_path)" --no-attrd --config-dir "$LAB/etc2" --script-dir "$REPO/scripts" \
        --run-dir "$LAB/run2" --queue-num 7 --echo echo.example:80 --no-ping --resolver 198.18.100.53 --log stderr -v \
        >"$LAB/second.log" 2>&1 &
    second=$!
    second_says() { grep -q "DNS: sniff, since cannot bind NFQUEUE 7: .*" "$LAB/second.log"; }
    wait_for 3 "a queue that is taken: it says so" second_says
    kill "$second"
    wait "$second" || :
    check "the first runs" kill -0 "$first"
    stop_connmgr
}
if can_hold; then holding; else skip "with nft: $no_queue"; fi
start_connmgr --dns sniff
wait_for 3 "when told so, it holds nothing" log_has 'DNS: sniff, since --dns sniff was given'
check "no rule leads to a queue" test "$(queue_rules)" = 0
check_first "a fresh name is open" reaches h-198-18-101-2.fresh.example
