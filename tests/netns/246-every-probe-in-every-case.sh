#!/bin/sh
# Each kind of probe against each kind of answer: right, wrong, a portal that redirects, silence, one byte a second or too late, a
# megabyte; over IPv4, and over IPv6 on a link without IPv4. The cost of a hostile answer is bounded. And a bad URL of each kind: exit
# status 64.
# takes 40 s
. "$(dirname "$0")/lib.sh"

lab_up
modes='2001:echo 2002:text 2003:204 2004:tls 2005:mqtt 2006:coap:udp 2007:banner 2008:portal 2009:silent 2010:silent:udp 2011:slow
    2012:slowtls 2013:slowmqtt 2014:late 2015:late:udp 2016:megabyte 2017:megabyte:udp 2018:wrong:udp 2019:page 2020:close 2021:alert 2022:wrong 2023:apple'
for address in 198.18.100.11 2001:db8:100::11; do
    # shellcheck disable=SC2086 # words
    on cloud /usr/bin/python3 "$NETNS_DIR/probed.py" "$address" $modes >"$LAB/probed.$address" 2>&1 &
    poll 10 grep -q listening "$LAB/probed.$address"
done

# KIND CASE STATUS URL-AFTER-HOST LAST-LINE
confirmed=' confirmed by' wrong=' wrong content: ' ping=' not confirmed: ping answered'
cat >"$LAB/table" <<TABLE
echo right 0 :2001 $confirmed echo: echo answered by
echo wrong 1 :2007 $wrong.*"SSH-2.0
echo portal 1 :2008 $wrong.*"HTTP/1.1 302
echo silent 1 :2009 $ping .*timed out
echo late 1 :2014 $ping .*timed out
echo megabyte 1 :2016 $wrong
echo closed 1 :2020 $ping
http right 0 :2003/#204 $confirmed http: http answered by
http right-text 0 :2002/#=NetworkManager $confirmed http: http answered by
http right-apple 0 :2023/hotspot-detect.html#=<HTML><HEAD><TITLE>Success</TITLE> $confirmed http: http answered by
http right-android 0 :2003/generate_204#204 $confirmed http: http answered by
http wrong 1 :2007/#204 $wrong.* does not speak HTTP
http wrong-status 1 :2019/#204 $wrong.* status 200 instead of 204
http wrong-text 1 :2019/#=NetworkManager $wrong.* another body
http portal 1 :2008/#204 $wrong.* redirects to "http://portal.example/login
http portal-text 1 :2008/#=NetworkManager $wrong.* redirects to "http://portal.example/login
http silent 1 :2009/#204 $ping .*timed out
http byte-a-second 1 :2011/#204 $ping .*timed out
http megabyte 0 :2016/#=NetworkManager $confirmed http: http answered by
http megabyte-204 1 :2016/#204 $wrong.* status 200 instead of 204
http closed 1 :2020/#204 $ping
tls right 0 :2004 $confirmed tls: tls answered by
tls alert 0 :2021 $confirmed tls, protocol only: .*TLS alert 40
tls wrong 1 :2007 $wrong.* does not speak TLS .*"SSH
tls portal 1 :2008 $wrong.* does not speak TLS .*"HTTP/1.1 302
tls silent 1 :2009 $ping .*timed out
tls byte-a-second 1 :2012 $ping .*timed out
tls megabyte 1 :2016 $wrong
tls closed 1 :2020 $ping
mqtt right 0 :2005 $confirmed mqtt, protocol only: mqtt answered by
mqtt wrong 1 :2007 $wrong.* does not speak MQTT: "SSH
mqtt portal 1 :2008 $wrong.* does not speak MQTT: "HTTP
mqtt silent 1 :2009 $ping .*timed out
mqtt byte-a-second 1 :2013 $ping .*timed out
mqtt megabyte 1 :2016 $wrong
mqtt closed 1 :2020 $ping
coap right 0 :2006 $confirmed coap, protocol only: coap answered by
coap wrong 1 :2018 $ping .*timed out
coap silent 1 :2010 $ping .*timed out
coap late 1 :2015 $ping .*timed out
coap megabyte 1 :2017 $ping .*timed out
coap refused 1 :9 $ping .*refused
tcp right 1 :2001 not confirmed: .* accepted a connection
tcp wrong 1 :2007 not confirmed: .* accepted a connection
tcp portal 1 :2008 not confirmed: .* accepted a connection
tcp silent 1 :2009 not confirmed: .* accepted a connection
tcp byte-a-second 1 :2011 not confirmed: .* accepted a connection
tcp megabyte 1 :2016 not confirmed: .* accepted a connection
tcp refused 1 :9 $ping .*refused
TABLE
# one FAMILY HOST LINE: runs one probe, and leaves its output and its status.
one() {
    # shellcheck disable=SC2086 # words
    set -- "$1" "$2" $3
    lab_url="$3://$2$6" lab_status=0
    on device "$(connmgr_path)" probe eth0 --probe "$lab_url" --ping 198.18.100.8 --ping 2001:db8:100::8 >"$LAB/$1.$3.$4" 2>&1 || lab_status=$?
    echo "$lab_status" >"$LAB/$1.$3.$4.status"
}
# judged FAMILY LINE: true if the probe ended with that status and last line, and cost no more than the first bytes of an answer.
judged() {
    # shellcheck disable=SC2086 # words
    set -- "$1" "$2" $2
    cat "$LAB/$1.$3.$4"
    [ "$(cat "$LAB/$1.$3.$4.status")" = "$5" ] || return
    lab_expected=${2#*" $6 "}
    tail -n 1 "$LAB/$1.$3.$4" | grep -qE -- "$lab_expected" || return
    ! grep -qE ', [0-9]{5,} bytes\)?$' "$LAB/$1.$3.$4"
}
# plays FAMILY HOST: all of the table, in parallel.
plays() {
    pids=
    while read -r line; do
        one "$1" "$2" "$line" &
        pids="$pids $!"
    done <"$LAB/table"
    # shellcheck disable=SC2086 # words
    wait $pids
    while read -r line; do
        rest=${line#* }
        check "$1: ${line%% *}: ${rest%% *}" judged "$1" "$line"
    done <"$LAB/table"
}
plays IPv4 198.18.100.11
ip -n device -4 address flush dev eth0
plays IPv6 '[2001:db8:100::11]'
configure eth0

for bad in echo:// echo://a:65536 http://a/ http://a/#205 'http://a/#=' https://a tls://a/x tls://a:0 mqtt://a/x 'mqtt://a b' coap://a:x \
    coap:// tcp://a tcp://a:1:2 tls://2001:db8::1 'tls://[2001:db8::1' smtp://a ://a ''; do
    check "bad URL: '$bad'" exits 64 on device "$(connmgr_path)" probe eth0 --probe "$bad"
    check "'$bad': it says what to write" said_has '^connmgr: --probe: write '
done
