#!/bin/bash
# A router with BIRD between the client and two boxes. Sourced by scripts/lab, used by its up.
# shellcheck source=common.sh
# shellcheck source=up.sh
# shellcheck source=wires.sh

router_wires() {
    touch "$STATE/router"
    namespace router
    namespace box2
    # Which box a flow gets, its ports decide too: one client's flows spread.
    inside router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
        net.ipv4.fib_multipath_hash_policy=1 net.ipv6.fib_multipath_hash_policy=1
    ip -n "$PREFIX-router" link add boxes up address 02:00:00:00:04:fe type bridge stp_state 0 forward_delay 0 mcast_snooping 0
    wire client eth0 02:00:00:00:02:01 router client 02:00:00:00:04:01
    wire router box 02:00:00:00:04:02 box client 02:00:00:00:00:01
    wire router box2 02:00:00:00:04:03 box2 client 02:00:00:00:00:11
    wire box2 server 02:00:00:00:00:12 switch box2 02:00:00:00:03:0c
    ip -n "$PREFIX-router" link set box master boxes
    ip -n "$PREFIX-router" link set box2 master boxes
    ip -n "$PREFIX-switch" link set box2 master br0
    deafen box2 client
    deafen box2 server
}

router_addresses() {
    address router client 203.0.113.1/24 2001:db8:3::1/64
    address router boxes 198.51.100.254/24 2001:db8:1::254/64
    address client eth0 203.0.113.2/24 2001:db8:3::2/64
    ip -n "$PREFIX-client" route add default via 203.0.113.1
    ip -n "$PREFIX-client" route add default via 2001:db8:3::1
}

# The servers' way back past the boxes, and BIRD.
router_starts() {
    local n
    for n in "${SERVERS[@]}"; do
        ip -n "$PREFIX-s$n" route add 203.0.113.0/24 via 10.0.0.254 table 20
        ip -n "$PREFIX-s$n" route add 2001:db8:3::/64 via 2001:db8:2::254 table 20
    done
    "$LAB_D/config" --router2 >"$STATE/lb2.json"
    command -v bird >/dev/null || fail "the router needs bird: run scripts/setup"
    router_bird >"$STATE/router-bird.conf"
    spawn router-bird router bird -f -c "$STATE/router-bird.conf" -s "$STATE/router-bird.ctl" -P "$STATE/router-bird.pid"
    until_true 10 birdc -s "$STATE/router-bird.ctl" show status || fail "the router's BIRD does not start: see $STATE/router-bird.log"
}

# Its configuration: a session per box and family, hold time 3 s; BFD for those who speak it.
router_bird() {
    local box family us them
    cat <<'END'
log stderr all;
router id 198.51.100.254;
protocol device { }
protocol direct { ipv4; ipv6; }
protocol kernel { ipv4 { export where source = RTS_BGP; }; merge paths on; }
protocol kernel { ipv6 { export where source = RTS_BGP; }; merge paths on; }
protocol bfd { interface "boxes" { interval 200 ms; multiplier 3; }; }
template bgp box { hold time 3; connect delay time 1; connect retry time 1; error wait time 1, 1; bfd; }
END
    for box in 1 2; do
        while read -r family us them; do
            echo "protocol bgp box${box}_$family from box { local $us as 65000; neighbor $them as 65001;" \
                "$family { import all; export where proto = \"direct1\"; next hop self; }; }"
        done <<<"ipv4 198.51.100.254 198.51.100.$box"$'\n'"ipv6 2001:db8:1::254 2001:db8:1::$box"
    done
}
