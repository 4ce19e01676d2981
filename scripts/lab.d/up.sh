#!/bin/bash
# scripts/lab up: namespaces, links, addresses, servers, configuration. Sourced by scripts/lab.
# shellcheck source=common.sh
# shellcheck source=wires.sh

# namespace PLACE: made by us and on record, or refused. No kernel in here invents traffic by itself.
namespace() {
    local name=$PREFIX-$1 conf
    [ ! -e "/run/netns/$name" ] || fail "namespace $name exists and is not ours: remove it, or choose another LB_LAB"
    echo "$name" >>"$STATE/namespaces"
    ip netns add "$name"
    local settings=(net.ipv4.ip_forward=0)
    for conf in all default; do
        settings+=("net.ipv4.conf.$conf."{rp_filter=0,accept_redirects=0,arp_ignore=1,arp_announce=2}
            "net.ipv6.conf.$conf."{forwarding=0,accept_ra=0,autoconf=0,accept_dad=0,router_solicitations=0})
        case $1 in box* | switch) settings+=("net.ipv6.conf.$conf.disable_ipv6=1") ;; esac
    done
    inside "$1" sysctl -qw "${settings[@]}"
    ip -n "$name" link set lo up
}

server() {
    local n=$1 s=s$1 dir=$STATE/s$1
    wire "$s" eth0 "02:00:00:00:01:0$n" switch "$s" "02:00:00:00:03:0$n"
    address "$s" eth0 "10.0.0.1$n/24" "2001:db8:2::1$n/64"
    address "$s" lo 192.0.2.20/32 2001:db8:10::20/128
    ip -n "$PREFIX-$s" route add default via 10.0.0.1
    ip -n "$PREFIX-$s" route add default via 2001:db8:2::1
    ip -n "$PREFIX-$s" rule add from 192.0.2.20 lookup 20
    ip -n "$PREFIX-$s" route add 198.51.100.0/24 via 10.0.0.254 table 20
    ip -n "$PREFIX-$s" -6 rule add from 2001:db8:10::20 lookup 20
    ip -n "$PREFIX-$s" route add 2001:db8:1::/64 via 2001:db8:2::254 table 20
    mkdir "$dir"
    "$LAB_D/nginx-conf" "$s" "$dir" "$BIG" >"$dir/nginx.conf"
    "$LAB_D/words" >"$dir/words.txt"
    spawn "$s-nginx" "$s" nginx -p "$dir" -c "$dir/nginx.conf"
    spawn "$s-echo" "$s" python3 "$LAB_D/echo" "10.0.0.1$n" "2001:db8:2::1$n"
}

lab_up() {
    local one_armed="" router="" internal="" owner="" quotas=() n via4=198.51.100.1 via6=2001:db8:1::1 port=eth0
    while [ $# -gt 0 ]; do
        case $1 in
        --one-armed) one_armed=1 via4=10.0.0.1 via6=2001:db8:2::1 port=eth1 ;;
        --router) router=1 ;;
        --internal) internal=1 ;;
        --owner) owner=${2:?lab: --owner needs a process id}; shift ;;
        --quotas) read -ra quotas <<<"${2:?lab: --quotas needs three parts of a CPU}"; shift ;;
        *) fail "up knows --one-armed, --router, --internal, --quotas and --owner PID, not \"$1\"" ;;
        esac
        shift
    done
    [ -z "$one_armed" ] || [ -z "$router" ] || fail "--router needs the port that --one-armed does without"
    tear_down
    "$LAB_D/big" "$BIG" "$BIG_OCTETS" "$BIG_SHA256"
    mkdir -p "$STATE/pids"
    [ -z "$owner" ] || spawn_watch "$owner"
    for n in "${PLACES[@]}"; do namespace "$n"; done
    ip -n "$PREFIX-switch" link add br0 up type bridge stp_state 0 forward_delay 0 mcast_snooping 0
    if [ -n "$router" ]; then router_wires; else wire client eth0 02:00:00:00:02:01 box client 02:00:00:00:00:01; fi
    wire box server 02:00:00:00:00:02 switch box 02:00:00:00:03:0a
    wire client eth1 02:00:00:00:02:02 switch client 02:00:00:00:03:0b
    deafen box client
    deafen box server
    address client eth1 10.0.0.254/24 2001:db8:2::254/64
    if [ -n "$router" ]; then
        router_addresses
    else
        address client eth0 198.51.100.2/24 2001:db8:1::2/64
        ip -n "$PREFIX-client" route add 192.0.2.0/24 via $via4 dev $port src 198.51.100.2
        ip -n "$PREFIX-client" route add 2001:db8:10::/64 via $via6 dev $port src 2001:db8:1::2
    fi
    for n in "${SERVERS[@]}"; do server "$n"; done
    for n in box client s1 s2 s3; do ip -n "$PREFIX-switch" link set "$n" master br0; done
    "$LAB_D/config" ${one_armed:+--one-armed} ${router:+--router} ${internal:+--internal} >"$STATE/lb.json"
    [ -z "$internal" ] || internal_nic
    [ -z "$router" ] || router_starts
    [ -z "$one_armed" ] || touch "$STATE/one-armed"
    for n in "${SERVERS[@]}"; do
        until_true 10 inside client curl -sf --noproxy '*' --max-time 1 "http://10.0.0.1$n/" ||
            fail "nginx of s$n does not answer: see $STATE/s$n-nginx.log"
    done
    [ ${#quotas[@]} = 0 ] || limit_servers "${quotas[@]}"
    echo "lab: $PREFIX is up; state and logs are in $STATE"
}
