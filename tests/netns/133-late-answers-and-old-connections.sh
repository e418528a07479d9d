#!/bin/sh
# Answers that come later than 10 s after the question, and answers over TCP connections that are older than the daemon, open their
# addresses: for a program, for the caches of the real dnsmasq and unbound, and for a host behind the bridge; by UDP and TCP, IPv4
# and IPv6. A name that is not whitelisted stays closed, and so does what a server sends unasked.
# takes 40 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"
. "$NETNS_DIR/names.sh"

lab_up
names_up
host_behind
for server in 59 60; do ip -n cloud address add "198.18.100.$server/32" dev lo; done
ip -n cloud address add 2001:db8:100::59/128 dev lo
printf 'nameserver %s\n' 198.18.100.55 198.18.100.59 2001:db8:100::59 >"$LAB/resolv.conf"

# The address is in the name: w12-3001 has 198.19.11.185, 12 s after the question. TCP connections stay open.
cat >"$LAB/slow.py" <<'PYTHON'
import re, socket, socketserver, struct, sys, threading, time

def answer(query):
    label = query[13:13 + query[12]].decode().lower()
    delay, number = re.match(r"w([0-9]+)-([0-9]+)$", label).groups()
    end = query.index(b"\0", 12) + 5
    if query[end - 3] != 1:
        return 0, query[:2] + b"\x84\0\0\1\0\0\0\0\0\0" + query[12:end]
    record = b"\xc0\x0c\0\1\0\1\0\0\x0e\x10\0\4" + bytes([198, 19]) + struct.pack(">H", int(number))
    return int(delay), query[:2] + b"\x84\0\0\1\0\1\0\0\0\0" + query[12:end] + record

class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        delay, reply = answer(self.request[0])
        time.sleep(delay)
        self.request[1].sendto(reply, self.client_address)

class Tcp(socketserver.BaseRequestHandler):
    def read(self, size):
        got = b""
        while len(got) < size:
            more = self.request.recv(size - len(got))
            if not more:
                raise EOFError
            got += more
        return got

    def handle(self):
        print("connection to", self.server.server_address[0], flush=True)
        try:
            while True:
                delay, reply = answer(self.read(struct.unpack(">H", self.read(2))[0]))
                time.sleep(delay)
                self.request.sendall(struct.pack(">H", len(reply)) + reply)
        except (EOFError, OSError):
            pass

class UdpServer(socketserver.ThreadingUDPServer):
    daemon_threads = True

class TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = allow_reuse_address = True

for address in sys.argv[1:]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    UdpServer.address_family = TcpServer.address_family = family
    for server in UdpServer((address, 53), Udp), TcpServer((address, 53), Tcp):
        threading.Thread(target=server.serve_forever).start()
print("answering", flush=True)
PYTHON
nsenter --net=/run/netns/cloud /usr/bin/python3 "$LAB/slow.py" 198.18.100.59 198.18.100.60 2001:db8:100::59 >"$LAB/slow.log" 2>&1 &
poll 10 grep -q answering "$LAB/slow.log"

# ask.py udp|tcp SERVER NAME: asks once and waits. ask.py keep SERVER: asks over one connection for each name that it reads.
cat >"$LAB/ask.py" <<'PYTHON'
import socket, struct, sys

def question(name, number):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">HHHHHH", number, 0x100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"

def by_tcp(connection, name, number):
    query = question(name, number)
    connection.sendall(struct.pack(">H", len(query)) + query)
    reply = connection.recv(65535)
    while len(reply) < 2 or len(reply) < 2 + struct.unpack(">H", reply[:2])[0]:
        reply += connection.recv(65535)
    return reply[2:]

how, server = sys.argv[1:3]
if how == "udp":
    asking = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
    asking.connect((server, 53))
    asking.settimeout(29)
    asking.send(question(sys.argv[3], 4711))
    print(socket.inet_ntoa(asking.recv(512)[-4:]))
else:
    asking = socket.create_connection((server, 53), 29)
    if how == "tcp":
        print(socket.inet_ntoa(by_tcp(asking, sys.argv[3], 4712)[-4:]))
    else:
        print("connected", flush=True)
        for number, name in enumerate(sys.stdin):
            print(name.strip(), socket.inet_ntoa(by_tcp(asking, name.strip(), number)[-4:]), flush=True)
PYTHON
asks() { asks_host=$1; shift; on "$asks_host" /usr/bin/python3 "$LAB/ask.py" "$@"; }
address_of() { echo "198.19.$(($1 / 256)).$(($1 % 256))"; }
opens() { on "$1" socat -u OPEN:/dev/null "TCP:$(address_of "$2"):80,connect-timeout=0.5"; }
said() { grep -q "$(address_of "$2")$" "$LAB/$1"; }

# keep NAME HOST SERVER: a program that keeps its connection; it is told names by the FIFO.
keep() {
    mkfifo "$LAB/$1.names"
    nsenter --net="/run/netns/$2" /usr/bin/python3 "$LAB/ask.py" keep "$3" <>"$LAB/$1.names" >"$LAB/$1" 2>&1 &
    poll 10 grep -q connected "$LAB/$1"
}
ask_over() { echo "w0-$2.${3:-fresh}.example" >"$LAB/$1.names"; }

nsenter --net=/run/netns/device dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --pid-file= --no-resolv --no-hosts \
    --bind-interfaces --listen-address=127.0.0.1 --server=198.18.100.59 --log-queries --log-facility=- >"$LAB/dnsmasq" 2>&1 &
# Over TCP, to a server that the device itself does not use.
cat >"$LAB/unbound.conf" <<END
server:
    interface: 127.0.0.2
    do-daemonize: no
    username: ""
    chroot: ""
    pidfile: ""
    use-syslog: no
    module-config: "iterator"
    tcp-upstream: yes
    tcp-reuse-timeout: 600000
forward-zone:
    name: "."
    forward-addr: 198.18.100.60
remote-control:
    control-enable: yes
    control-use-cert: no
    control-interface: 127.0.0.2
END
nsenter --net=/run/netns/device unbound -c "$LAB/unbound.conf" >"$LAB/unbound.log" 2>&1 &
connections() { grep -c "connection to $1" "$LAB/slow.log"; }
by_unbound() { on device "$LABTOOL" resolve 127.0.0.2 "w0-$1.${2:-fresh}.example" >"$LAB/by-unbound" && said by-unbound "$1"; }
# by_dnsmasq N: false as long as the answer is not in the cache.
by_dnsmasq() { grep -q "reply w12-$1.fresh.example is" "$LAB/dnsmasq"; }
cached() { on device "$LABTOOL" resolve 127.0.0.1 "w12-$1.fresh.example" >"$LAB/cached" && said cached "$1"; }

# play MODE FIRST
play() {
    mode=$1 n=$2
    lockdown --dns "$mode"
    for at in device4:device:198.18.100.59 device6:device:2001:db8:100::59 host:host:198.18.100.59; do
        rest=${at#*:}
        keep "$mode.${at%%:*}" "${rest%%:*}" "${rest#*:}"
    done
    poll 10 by_unbound $((n + 90))
    kill -KILL "$CONNMGR_PID"
    wait "$CONNMGR_PID" 2>"$LAB/last" || :
    lockdown --dns "$mode"
    before=$(connections 198.18.100.60)
    check "$mode: unbound answers" by_unbound $((n + 1))
    # Without unbound-control in the PATH, flush_dns.sh reloads unbound, which ends its connections.
    is_nft || check "$mode: over the connection that is older than the daemon" test "$(connections 198.18.100.60)" = "$before"
    wait_for 3 "$mode: the address is open" opens device $((n + 1))
    check "$mode: a name that is not whitelisted" by_unbound $((n + 2)) foreign
    check "$mode: is shut" not opens device $((n + 2))
    number=$((n + 3))
    for one in device4 device6 host; do
        ask_over "$mode.$one" "$number"
        wait_for 5 "$mode: $one: an answer over an older connection" said "$mode.$one" "$number"
        wait_for 3 "$mode: $one: its address is open" opens "${one%[46]}" "$number"
        ask_over "$mode.$one" $((number + 1)) foreign
        wait_for 5 "$mode: $one: a name that is not whitelisted" said "$mode.$one" $((number + 1))
        check "$mode: $one: is shut" not opens "${one%[46]}" $((number + 1))
        number=$((number + 2))
    done

    # All at once, because each takes 12 s. The program that asks dnsmasq gives up sooner; dnsmasq does not.
    on device timeout 1 "$LABTOOL" resolve 127.0.0.1 "w12-$((n + 20)).fresh.example" >"$LAB/last" || :
    pids=
    for at in 21:device:udp:198.18.100.59 22:device:udp:2001:db8:100::59 23:device:tcp:198.18.100.59 24:host:udp:198.18.100.59; do
        number=$((n + ${at%%:*})) rest=${at#*:}
        host=${rest%%:*} rest=${rest#*:}
        asks "$host" "${rest%%:*}" "${rest#*:}" "w12-$number.fresh.example" >"$LAB/late.$number" 2>&1 &
        pids="$pids $!"
    done
    wait_for 20 "$mode: late: dnsmasq has the answer" by_dnsmasq $((n + 20))
    for pid in $pids; do wait "$pid" || :; done
    check "$mode: late: it serves it from its cache" cached $((n + 20))
    wait_for 3 "$mode: late: the address is open" opens device $((n + 20))
    for at in device:21:UDP device:22:IPv6 device:23:TCP host:24:host; do
        rest=${at#*:} number=${at#*:}
        number=$((n + ${number%:*}))
        check "$mode: late: ${rest#*:}: answered" said "late.$number" "$number"
        wait_for 3 "$mode: late: ${rest#*:}: the address is open" opens "${at%%:*}" "$number"
    done
    stop_connmgr
}
if can_hold; then play hold 3000; else skip "with nft: $no_queue"; fi
play sniff 4000
