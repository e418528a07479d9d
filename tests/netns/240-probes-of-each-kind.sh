#!/bin/sh
# connmgr probe with a right, a wrong and a hostile server of each kind, over IPv4 and IPv6: the verdict and
# its words.
# takes 75 s
. "$(dirname "$0")/lib.sh"

lab_up
serve() { # NAME ADDRESS PORT MODE [udp]
    on cloud /usr/bin/python3 "$NETNS_DIR/probed.py" "$2" "$3" "$4" ${5:+"$5"} >"$LAB/$1.log" 2>&1 &
    poll 10 grep -q listening "$LAB/$1.log"
}
# probe STATUS REGEX URL [ARGS...]: one probe of eth0 ends with the status, and its last line matches.
probe() {
    lab_wanted=$1 lab_line=$2 lab_status=0
    shift 2
    on device "$(connmgr_path)" probe eth0 --probe "$@" --ping 198.18.100.8 \
        --resolver 198.18.100.53 --resolver 2001:db8:100::53 >"$LAB/probe" 2>&1 || lab_status=$?
    cat "$LAB/probe"
    [ "$lab_status" = "$lab_wanted" ] && tail -n 1 "$LAB/probe" | grep -qE "$lab_line"
}
step() { grep -E -- "$1" "$LAB/probe"; }

# -- echo: the lab's own service ------------------------------------------------------------------------------------
check "echo: right" probe 0 ' confirmed by echo: echo answered by 198.18.100.1[01]:80 in ' echo://echo.example:80
check "each step has its time: resolve" step '^ +[0-9]+\.[0-9] ms  resolve echo.example: 198.18.100.1'
check "each step has its time: connect" step '^ +[0-9]+\.[0-9] ms  echo 198.18.100.1[01]:80: connect$'
check "each step has its time: right, with its cost" step '^ +[0-9]+\.[0-9] ms  echo .*: correct \(after [0-9.]+ ms, [0-9]+ bytes\)$'
check "the old spelling" probe 0 ' confirmed by echo: ' echo://198.18.100.10:80 --echo echo.example
check "echo: nobody listens, the ping decides" probe 1 ' not confirmed: ping answered .*refused' echo://198.18.100.10
serve banner 198.18.100.11 22 banner
serve mail 198.18.100.11 25 mail
check "echo: SSH speaks first" probe 1 ' wrong content: 198.18.100.11:22 .*"SSH-2.0-OpenSSH_9.2' echo://198.18.100.11:22
check "echo: mail speaks first" probe 1 ' wrong content: 198.18.100.11:25 .*"220 mail.example' echo://198.18.100.11:25
serve silent 198.18.100.11 1000 silent
for scheme in echo tls mqtt; do
    check "$scheme: silence, the ping decides" probe 1 ' not confirmed: ping answered .*timed out' "$scheme://198.18.100.11:1000"
done
check "without a ping: not reachable" probe 1 ' not reachable: ' echo://198.18.100.11:1000 --no-ping

# -- HTTP -------------------------------------------------------------------------------------------------------------
serve portal 198.18.100.11 1001 portal
serve page 198.18.100.11 1002 page
serve text 198.18.100.11 1003 text
serve slow 198.18.100.11 1004 slow
serve megabyte 198.18.100.11 1005 megabyte
serve broken 198.18.100.11 1006 broken
serve six 2001:db8:100::11 1007 text
http=http://198.18.100.11
check "http: a redirect" \
    probe 1 ' wrong content: .* redirects to "http://portal.example/login\?from=x" \(a portal\?\)' "$http:1001/x#204"
check "http: another status" probe 1 ' wrong content: .* status 200 instead of 204' "$http:1002/x#204"
check "http: another body" probe 1 ' wrong content: .* another body .*"<html>' "$http:1002/#=NetworkManager is online"
check "http: the right body" probe 0 ' confirmed by http: ' "$http:1003/#=NetworkManager is online"
check "http: a byte a second" probe 1 ' not confirmed: ping answered .*timed out' "$http:1004/#204"
check "http: a megabyte" probe 0 ' confirmed by http: ' "$http:1005/#=NetworkManager is online"
sent() { sed -n 's/^sent //p' "$LAB/megabyte.log" | grep .; }
# Use the kernel's counter, which the probe prints: data in the server's socket buffer is not on the wire.
check "http: a megabyte costs no more than the first bytes" step ', [0-9]{1,4} bytes\)$'
wait_for 5 "http: the server could not send its megabyte" sent
check "http: the service is broken, the ping decides" probe 1 ' not confirmed: ping answered .*status 503' "$http:1006/#204"
check "http: silence" probe 1 ' not confirmed: ' "$http:1000/#204"
check "http: SSH speaks first" probe 1 ' wrong content: .* does not speak HTTP: "SSH-2.0' "$http:22/#204"

# -- the same answers to the others -----------------------------------------------------------------------------------
serve slowtls 198.18.100.11 1008 slowtls
serve slowmqtt 198.18.100.11 1009 slowmqtt
serve udp-silent 198.18.100.11 1010 silent udp
serve udp-wrong 198.18.100.11 1011 wrong udp
serve udp-long 198.18.100.11 1012 megabyte udp
check "echo: a portal" probe 1 ' wrong content: .* something else than the echo .*"HTTP/1.1 302' echo://198.18.100.11:1001
check "mqtt: a portal" probe 1 ' wrong content: .* does not speak MQTT' mqtt://198.18.100.11:1001
for scheme in echo tls mqtt; do
    check "$scheme: a megabyte" probe 1 ' wrong content: ' "$scheme://198.18.100.11:1005"
    check "$scheme: a megabyte costs no more than the first bytes" step ', [0-9]{1,4} bytes\)$'
done
check "tls: a byte a second" probe 1 ' not confirmed: ping answered .*timed out' tls://198.18.100.11:1008
check "mqtt: a byte a second" probe 1 ' not confirmed: ping answered .*timed out' mqtt://198.18.100.11:1009
check "coap: silence" probe 1 ' not confirmed: ping answered .*timed out' coap://198.18.100.11:1010
check "coap: something else is no answer (RFC 7252, 4.2)" probe 1 ' not confirmed: ping answered .*timed out' coap://198.18.100.11:1011
check "coap: nor is the longest datagram" probe 1 ' not confirmed: ping answered .*timed out' coap://198.18.100.11:1012
check "tcp: nobody listens" probe 1 ' not confirmed: ping answered .*refused' tcp://198.18.100.11:9

# -- by IPv6 alone ------------------------------------------------------------------------------------------------------
ip -n device -4 address flush dev eth0
check "IPv6: the right body" probe 0 ' confirmed by http: http answered by \[2001:db8:100::11\]:1007' \
    'http://[2001:db8:100::11]:1007/#=Net'
check "IPv6: a name" probe 0 ' confirmed by echo: echo answered by \[2001:db8:100::1[01]\]:80' echo://echo.example:80
configure eth0

# -- real servers -------------------------------------------------------------------------------------------------------
real() { # PROGRAM: it is installed
    REAL=$(command -v "$1" || command -v "/usr/sbin/$1") && return
    skip "$1 is not installed"
    return 1
}
listens() { on cloud ss -Hltun "sport = :$1" | grep .; }
if real openssl; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=cloud.example \
        -keyout "$LAB/key.pem" -out "$LAB/cert.pem" >"$LAB/last" 2>&1
    tls() { # PORT ARGS...
        lab_port=$1
        shift
        on cloud "$REAL" s_server -accept "$lab_port" -key "$LAB/key.pem" -cert "$LAB/cert.pem" -quiet "$@" \
            >"$LAB/tls.$lab_port" 2>&1 </dev/null &
        poll 10 listens "$lab_port"
    }
    tls 443 -www
    tls 1443 -www -no_tls1_3
    tls 2443 -www -groups P-256
    tls 3443 -www -no_tls1_3 -cipher ECDHE-RSA-AES128-SHA
    check "openssl: TLS 1.3" probe 0 ' confirmed by tls: tls answered by 198.18.100.10:443 in [0-9.]+ ms, ' tls://198.18.100.10
    check "openssl: TLS 1.3 wants another group" probe 0 ' confirmed by tls: .*HelloRetryRequest' tls://198.18.100.10:2443
    check "openssl: TLS 1.2" probe 0 ' confirmed by tls, protocol only: .*TLS 1.2' tls://198.18.100.10:1443
    check "openssl: no cipher in common" probe 0 ' confirmed by tls, protocol only: .*TLS alert 40' tls://198.18.100.10:3443
    check "tls: a portal" probe 1 ' wrong content: .* does not speak TLS \(a portal\?\): "HTTP/1.1 302' tls://198.18.100.11:1001
    check "http: a TLS server" probe 1 '(wrong content|not confirmed): ' 'http://198.18.100.10:443/#204'
fi
if real nginx; then
    mkdir -p "$LAB/nginx"
    printf 'NetworkManager is online\n' >"$LAB/nginx/check.txt"
    cat >"$LAB/nginx.conf" <<CONF
daemon off; user root; pid $LAB/nginx/pid; error_log stderr; events { }
http { access_log off; client_body_temp_path $LAB/nginx/b; proxy_temp_path $LAB/nginx/p; fastcgi_temp_path $LAB/nginx/f;
    uwsgi_temp_path $LAB/nginx/u; scgi_temp_path $LAB/nginx/s;
    server { listen 198.18.100.8:8080; root $LAB/nginx; location = /generate_204 { return 204; }
        location = /old { return 301 https://elsewhere.example/; } } }
CONF
    on cloud "$REAL" -c "$LAB/nginx.conf" >"$LAB/nginx.log" 2>&1 &
    poll 10 listens 8080
    nginx=http://198.18.100.8:8080
    wait_for 10 "nginx: status 204" probe 0 ' confirmed by http: ' "$nginx/generate_204#204"
    check "nginx: a text" probe 0 ' confirmed by http: ' "$nginx/check.txt#=NetworkManager is online"
    check "nginx: a redirect" probe 1 ' wrong content: .*"https://elsewhere.example/"' "$nginx/old#204"
    check "nginx: no such file" probe 1 ' wrong content: .* status 404' "$nginx/none#204"
    check "tls: nginx without TLS" probe 1 ' wrong content: .* does not speak TLS' tls://198.18.100.8:8080
fi
if real mosquitto; then
    printf 'listener 1883 198.18.100.10\nlistener 1883 2001:db8:100::10\nallow_anonymous true\n' >"$LAB/open.conf"
    printf 'listener 1884 198.18.100.10\nallow_anonymous false\n' >"$LAB/closed.conf"
    for conf in open closed; do on cloud "$REAL" -c "$LAB/$conf.conf" >"$LAB/$conf.log" 2>&1 & done
    poll 10 listens 1883
    poll 10 listens 1884
    check "mosquitto: everybody is welcome" probe 0 ' confirmed by mqtt, protocol only: ' mqtt://198.18.100.10
    check "mosquitto: nobody is, but it is one" probe 0 ' confirmed by mqtt, protocol only: .*return code 5' mqtt://198.18.100.10:1884
    check "mqtt: SSH speaks first" probe 1 ' wrong content: .* does not speak MQTT: "SSH' mqtt://198.18.100.11:22
fi
if real coap-server-notls; then
    on cloud "$REAL" -A 198.18.100.10 >"$LAB/coap.log" 2>&1 &
    on cloud "$REAL" -A 2001:db8:100::10 >"$LAB/coap6.log" 2>&1 &
    poll 10 listens 5683
    check "coap-server" probe 0 ' confirmed by coap, protocol only: coap answered by 198.18.100.10:5683' coap://198.18.100.10
    check "coap: nobody listens" probe 1 ' not confirmed: ping answered .*refused' coap://198.18.100.11
fi
if real dropbear; then
    dropbearkey -t ed25519 -f "$LAB/hostkey" >"$LAB/last" 2>&1
    on cloud "$REAL" -F -E -r "$LAB/hostkey" -p 198.18.100.10:22 >"$LAB/dropbear.log" 2>&1 &
    poll 10 listens 22
    for scheme in echo tls mqtt; do
        check "dropbear: $scheme, SSH speaks first" probe 1 ' wrong content: .*"SSH-2.0-dropbear' "$scheme://198.18.100.10:22"
    done
    check "dropbear: tcp counts like a ping" \
        probe 1 ' not confirmed: 198.18.100.10:22 accepted a connection' tcp://198.18.100.10:22 --no-ping
fi

# -- the real servers by IPv6 alone -------------------------------------------------------------------------------------
ip -n device -4 address flush dev eth0
six() { # PORT REGEX URL: there is such a server
    listens "$1" | grep -qE '2001:db8:100::10|\[::\]|\*:' || return 0
    check "IPv6: ${3%%:*}" probe 0 "$2" "$3"
}
six 443 ' confirmed by tls: tls answered by \[2001:db8:100::10\]:443 ' 'tls://[2001:db8:100::10]'
six 1883 ' confirmed by mqtt, protocol only: ' 'mqtt://[2001:db8:100::10]'
six 5683 ' confirmed by coap, protocol only: ' 'coap://[2001:db8:100::10]'
check "IPv6: tcp counts like a ping" probe 1 ' accepted a connection' 'tcp://[2001:db8:100::11]:1007' --no-ping
configure eth0

# -- any correct answer confirms; bad URLs --------------------------------------------------------------------------------
check "one of two services is right" probe 0 ' confirmed by echo: ' tls://198.18.100.11:1000 --probe echo://198.18.100.10:80
absent() {
    lab_status=0
    on device "$(connmgr_path)" probe eth7 >"$LAB/probe" 2>&1 || lab_status=$?
    [ "$lab_status" = 64 ] && step '^connmgr: there is no interface of that name$'
}
check "an interface that is not there" absent
for bad in 'echo.example:80' 'ftp://a' 'https://a' 'http://a/' 'http://a/#200' 'tcp://a' 'tls://a/x' 'echo://2001:db8::1' \
    'echo://a:0' 'echo://'; do
    check "bad URL: $bad" probe 64 "try 'connmgr probe --help'" "$bad"
    check "it says what to write" step '^connmgr: --probe: write '
done
