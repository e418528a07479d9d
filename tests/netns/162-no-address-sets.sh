#!/bin/sh
# A kernel without address sets: fwcfg.sh makes rules for each address, for the device and for extenders.
# takes 25 s
. "$(dirname "$0")/lib.sh"
iptables_only "addresses are always in sets"
. "$NETNS_DIR/fresh.sh"

FIREWALL=
lab_up
host_behind
fresh_names
reaches() { on "$1" socat -u OPEN:/dev/null "TCP:$2:80,connect-timeout=${3:-0.9}"; }
rules_for() { on device iptables -S | grep -c -- " $1/32 " || :; }
rules_are() { [ "$(rules_for "$1")" = "$2" ]; }

# Refuse rules that match sets, as a kernel without xt_set does.
mkdir "$LAB/tools"
for tool in iptables-restore ip6tables-restore; do
    real=$(command -v $tool)
    cat >"$LAB/tools/$tool" <<END
#!/bin/sh
case \${1-} in -V) exec $real -V ;; esac
input=\$(cat)
case \$input in *--match-set*) echo "set: no such match" >&2; exit 2 ;; esac
printf '%s\n' "\$input" | exec $real "\$@"
END
    chmod +x "$LAB/tools/$tool"
done
PATH=$LAB/tools:$PATH

printf '%s\n' '*.fresh.example' 198.18.101.200 198.18.102.0/28 >"$LAB/etc/whitelist"
start_connmgr
wait_for 5 "it says why there are no sets" log_has 'addresses by rules, since iptables has no rules that match address sets'
wait_for 5 "eth0 is in use" in_use eth0
wait_for 5 "a literal address is open" reaches device 198.18.101.200
wait_for 5 "a prefix is open" reaches device 198.18.102.1
check "beside it is shut" not reaches device 198.18.102.17
# The first SYN may come too early; the kernel sends it again after 1, 3, 7 and 15 s.
check "a fresh name is open to the same connection" reaches device h-198-18-101-1.fresh.example 20
wait_for 5 "for the host, too" reaches host 198.18.101.1
check "one set of rules" test "$(rules_for 198.18.101.1)" -ge 4
restarted() { stop_connmgr; start_connmgr; }
check "it is started again" restarted
wait_for 5 "in force" log_has 'addresses by rules'
check "what was open is open" reaches device 198.18.101.1
before=$(rules_for 198.18.101.1)
on device getent ahostsv4 h-198-18-101-2.fresh.example >"$LAB/last"
wait_for 5 "another name" reaches device 198.18.101.2
check "nothing is there twice" rules_are 198.18.101.1 "$before"

printf '%s\n' 198.18.101.200 >"$LAB/etc/whitelist"
ask reload
wait_for 10 "taken from the whitelist: no rule is left" rules_are 198.18.101.1 0
check "it is shut" not reaches device 198.18.101.1
check "what is still there is open" reaches device 198.18.101.200
wait_for 5 "the prefix is shut" not reaches device 198.18.102.1
