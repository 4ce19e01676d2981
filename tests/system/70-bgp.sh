#!/bin/bash
# VIPs announced to a router by BIRD and FRR: learnt, withdrawn, learnt again; two boxes. Sourced by tests/system/run.
# shellcheck disable=SC2154,SC2034  # lab and here are set there; began is read by takes
# shellcheck source-path=SCRIPTDIR
# shellcheck source=routers
. "$here/routers"

DIRECT=(192.0.2.20 2001:db8:10::20)
VIPS=(192.0.2.10 2001:db8:10::10 "${DIRECT[@]}")
VIPS4=(192.0.2.10 192.0.2.20)

starts() {
    timeout 60 "$lab" start -- --exception tap
}

traffic_flows() {
    local vip
    for vip in "${VIPS[@]}"; do
        [[ $vip != *:* ]] || vip="[$vip]"
        fetched "http://$vip/" || { echo "no answer from $vip"; return 1; }
    done
    ctl advertise
}

# only_own_table: nothing of it is in the box's main table, nor is anything there but what was there and came by BGP.
only_own_table() {
    ip -n "$PREFIX-box" route show table main | tee /dev/stderr | grep -F 203.0.113.0/24 &&
        ! ip -n "$PREFIX-box" route show table main | grep -F 192.0.2. && ! ip -6 -n "$PREFIX-box" route show table main | grep -F 2001:db8:10:
}

# last_backend_goes SERVICE VIP
last_backend_goes() {
    local s
    for s in s1 s2; do ctl disable "$1/$s" || return 1; done
    known "$2" || { echo "withdrawn too early"; return 1; }
    began=$(now_ms)
    ctl disable "$1/s3" && takes $WITHIN_MS "last backend of $2 disabled, withdrawn" none_known "$2" || return 1
    ctl advertise status "$2"
    began=$(now_ms)
    ctl enable "$1/s2" && takes $WITHIN_MS "backend of $2 enabled, announced" all_known "$2" || return 1
    for s in s1 s3; do ctl enable "$1/$s" || return 1; done
}

# switches VIP...: one, then all.
switches() {
    local one=$1
    began=$(now_ms)
    ctl advertise off "$one" && takes $WITHIN_MS "advertise off $one, withdrawn" none_known "$one" && all_known "${@:2}" || return 1
    began=$(now_ms)
    ctl advertise off && takes $WITHIN_MS "advertise off, withdrawn" none_known "$@" || return 1
    ctl advertise on "$one" && ! known "$one" || return 1
    began=$(now_ms)
    ctl advertise on && takes $WITHIN_MS "advertise on, announced" all_known "$@"
}

session_in_a_flood() {
    local before n
    before=$(since)
    for n in 1 2 3; do spawn "flood$n" client ping -q -f -s 56 198.51.100.1; done
    spawn flood4 client python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    try:
        s.sendto(b"x" * 64, ("198.51.100.1", 9))
    except OSError:
        pass'
    sleep 10
    end INT 5 "$STATE"/pids/flood[123] && end KILL 5 "$STATE/pids/flood4"
    cat "$STATE"/flood[123].log
    ctl drops
    printf '%s\n' "$before" "$(since)"
    [ -n "$before" ] && [ "$(since)" = "$before" ] && all_known "${VIPS[@]}"
}

table_is_empty() {
    [ -z "$(ip -n "$PREFIX-box" route show table 76 2>/dev/null; ip -6 -n "$PREFIX-box" route show table 76 2>/dev/null)" ]
}

# The worker lcore stands still for 3 s; the control side does not.
lcore_stands_still() {
    local box _
    read -r box _ <"$STATE/pids/box"
    timeout 20 "$here/stand-still" "$box" rte-worker-1 3 >"$STATE/still" 2>&1 &
    until_true 5 grep -q stopped "$STATE/still" || { cat "$STATE/still"; return 1; }
    began=$(now_ms)
    takes $WITHIN_MS "lcore stands still, box withdraws" table_is_empty && ctl advertise | tee /dev/stderr | grep -q 'lcore 1 stands still' || return 1
    wait $!
    began=$(now_ms)
    takes 15000 "lcore turns again, announced" all_known "${VIPS[@]}"
}

# Not by the hold time, which on a slow machine is not much longer.
fell_by_bfd() {
    birdc -s "$STATE/router-bird.ctl" show protocols all | tee /dev/stderr | grep -q 'BFD session down'
}

# killed MILLISECONDS DAEMON VIP...: gone, and back when it was started again.
killed() {
    local limit=$1 daemon=$2
    shift 2
    began=$(now_ms)
    kills box && takes "$limit" "$daemon: program killed, withdrawn" none_known "$@" || return 1
    [ "$daemon" != bird-bfd ] || fell_by_bfd || return 1
    table_is_empty || { echo "the box still has routes"; return 1; }
    starts >/dev/null || return 1
    began=$(now_ms)
    takes 15000 "$daemon: program started again, announced" all_known "$@" && fetched "http://$1/"
}

# The kernel says nothing when IPv4 routes go with their device, so FRR believes in them until it is told.
killed_with_a_vip_that_is_not_to_return() {
    kills box && jq '(.services[] | select(.address == "192.0.2.20") | .backends[].weight) = 0' "$STATE/lb.json" >"$STATE/next.json" &&
        cp "$STATE/lb.json" "$STATE/kept.json" && cp "$STATE/next.json" "$STATE/lb.json" && starts >/dev/null || return 1
    began=$(now_ms)
    takes 15000 "frr: the VIP with backends announced" all_known 192.0.2.10 || return 1
    sleep 1
    mv "$STATE/kept.json" "$STATE/lb.json"
    none_known 192.0.2.20 && ctl reload && takes 15000 "frr: and the other, when it has backends again" all_known 192.0.2.20
}

# What a clean end withdraws is gone when the program is.
stops_cleanly() {
    timeout 30 "$lab" stop && none_known "$@"
}

opened() {
    LB_BOX=$1 ctl services --json | jq '[.services[] | select(.name == "direct4") | .connections_opened] | add'
}

two_ways() {
    local vip
    for vip in "${DIRECT[@]}"; do [ "$(route "$vip" | grep -c 'nexthop')" = 2 ] || return 1; done
}

# 400 connections from one client: each box gets a good part.
both_boxes_are_used() {
    local first second a b
    a=$(opened box) b=$(opened box2)
    timeout 60 "$lab" exec client "$LAB_D/requests" --requests 400 --parallel 8 direct4=192.0.2.20 || return 1
    first=$(($(opened box) - a)) second=$(($(opened box2) - b))
    echo "box $first, box2 $second" | tee -a "$STATE/times"
    [ $((first + second)) = 400 ] && [ "$first" -ge 100 ] && [ "$second" -ge 100 ]
}

one_of_two_leaves() {
    began=$(now_ms)
    LB_BOX=box2 ctl advertise off || return 1
    takes $WITHIN_MS "one box of two withdraws, one way left" one_way && timeout 60 "$lab" exec client "$LAB_D/requests" --requests 100 direct4=192.0.2.20
}

one_way() {
    known 192.0.2.20 && ! two_ways
}

if [ ! -e /dev/net/tun ]; then
    skip "BGP: there is no /dev/net/tun (modprobe tun)"
elif ! has_lbctl; then
    skip "BGP: needs lbctl beside lb-dataplane (cargo build --release)"
elif ! command -v bird >/dev/null; then
    skip "BGP: needs bird (package bird2)"
else
    check "the lab comes up with a router and two boxes" timeout 120 "$lab" up --router --owner $$
    check "lb-dataplane starts behind the router" starts
    check "BIRD: a session over the exception path, all VIPs learnt" speaks bird "${VIPS[@]}"
    check "traffic flows over the learnt routes, both families, nat and direct" traffic_flows
    check "BIRD: the router's networks are learnt, and the VIPs are in no table but theirs" only_own_table
    check "the last backend's end withdraws a VIP within 2 s, IPv4" last_backend_goes direct4 192.0.2.20
    check "the last backend's end withdraws a VIP within 2 s, IPv6" last_backend_goes direct6 2001:db8:10::20
    check "lbctl advertise off and on: one VIP, the box" switches "${VIPS[@]}"
    check "10 s of flood to the box's own address leave the sessions up (hold time 3 s)" session_in_a_flood
    check "a lcore that stands still withdraws everything; turning again brings it back" lcore_stands_still
    check "BIRD: the program killed is withdrawn by the hold time, and comes back" killed 4500 bird "${VIPS[@]}"
    check "BIRD: a clean end withdraws before the lcores stop" stops_cleanly "${VIPS[@]}"
    check "lb-dataplane starts once more" starts
    check "BIRD with BFD: VIPs learnt" speaks bird-bfd "${VIPS[@]}"
    check "BIRD with BFD: the program killed is withdrawn within 1.5 s, and comes back" killed 1500 bird-bfd "${VIPS[@]}"
    check "BIRD without BFD again" speaks bird "${VIPS[@]}"
    check "two boxes with the same VIPs: starts" env LB_BOX=box2 timeout 60 "$lab" start -- --exception tap
    check "two boxes with the same VIPs: the second speaks" env LB_BOX=box2 timeout 60 "$lab" bgp bird
    began=$(now_ms)
    check "two boxes with the same VIPs: the router has two ways" takes 15000 "two ways" two_ways
    check "two boxes with the same VIPs: both are used" both_boxes_are_used
    check "two boxes with the same VIPs: one leaves, no request fails" one_of_two_leaves
    check "the second box ends with status 0" env LB_BOX=box2 timeout 30 "$lab" stop
    if [ -x /usr/lib/frr/zebra ]; then
        check "FRR: a session over the exception path, IPv4 VIPs learnt" speaks frr "${VIPS4[@]}"
        check "FRR: the last backend's end withdraws a VIP within 2 s" last_backend_goes direct4 192.0.2.20
        check "FRR: lbctl advertise off and on" switches "${VIPS4[@]}"
        check "FRR: the program killed is withdrawn by the hold time, and comes back" killed 4500 frr "${VIPS4[@]}"
        check "FRR: what is not announced again after a kill is withdrawn" killed_with_a_vip_that_is_not_to_return
        check "FRR: a clean end withdraws before the lcores stop" stops_cleanly "${VIPS4[@]}"
    else
        skip "FRR: needs frr (package frr)"
    fi
    cat "$STATE/times" 2>/dev/null || true
fi
