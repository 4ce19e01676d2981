#!/bin/bash
# Real traffic through every service of the lab. Sourced by tests/system/run.
# shellcheck disable=SC2154  # lab and here are set there

# requests NAME ADDRESS: 10,000 connections, none fails, and no server gets less than half its share.
requests() {
    local line output
    output=$(timeout --foreground 120 "$lab" exec client "$LAB_D/requests" --requests 10000 --parallel 32 "$1=$2") || { echo "$output"; return 1; }
    line=$(grep "^$1 s1=" <<<"$output")
    echo "$output"
    [[ $line =~ s1=([0-9]+)\ s2=([0-9]+)\ s3=([0-9]+)\ failed=0 ]] || return 1
    [ "${BASH_REMATCH[1]}" -gt 1666 ] && [ "${BASH_REMATCH[2]}" -gt 1666 ] && [ "${BASH_REMATCH[3]}" -gt 1666 ]
}

download() {
    local sum
    sum=$(timeout --foreground 60 "$lab" exec client curl -sS --noproxy '*' --max-time 50 "http://$1/big" | sha256sum)
    echo "SHA-256 $sum, expected $BIG_SHA256"
    [ "$sum" = "$BIG_SHA256  -" ]
}

ping_vip() {
    timeout --foreground 20 "$lab" exec client ping -c 3 -i 0.2 -W 2 "$1"
}

stop_ends_with_0() {
    local status=0
    timeout 30 "$lab" stop || status=$?
    tail -n 20 "$STATE/box.log"
    return $status
}

check "the lab comes up" timeout 120 "$lab" up --owner $$
if command -v dpdk-testpmd >/dev/null; then
    check "the lab's wires carry traffic through dpdk-testpmd" timeout 120 "$here/wiring"
else
    skip "the wires of the lab alone: needs dpdk-testpmd (package dpdk-dev)"
fi
check "lb-dataplane starts in the box" timeout 60 "$lab" start
check "10,000 requests over IPv4, nat, without a failure, spread over three servers" requests web4 192.0.2.10
check "10,000 requests over IPv6, nat, without a failure, spread over three servers" requests web6 2001:db8:10::10
check "10,000 requests over IPv4, direct, without a failure, spread over three servers" requests direct4 192.0.2.20
check "10,000 requests over IPv6, direct, without a failure, spread over three servers" requests direct6 2001:db8:10::20
check "200 MB arrive whole over IPv4, nat" download 192.0.2.10
check "200 MB arrive whole over IPv6, nat" download '[2001:db8:10::10]'
check "200 MB arrive whole over IPv4, direct" download 192.0.2.20
check "200 MB arrive whole over IPv6, direct" download '[2001:db8:10::20]'
check "1,000 UDP echoes come back over IPv4" timeout --foreground 90 "$lab" exec client "$here/echoes" 192.0.2.10
check "1,000 UDP echoes come back over IPv6" timeout --foreground 90 "$lab" exec client "$here/echoes" 2001:db8:10::10
check "the IPv4 VIP answers ping" ping_vip 192.0.2.10
check "the IPv6 VIP answers ping" ping_vip 2001:db8:10::10
check "SIGTERM ends the program with status 0" stop_ends_with_0
check "every packet received has one verdict in the report" report_adds_up
