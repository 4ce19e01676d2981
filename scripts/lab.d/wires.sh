#!/bin/bash
# Links of the lab and their addresses. Sourced by scripts/lab, used by its up.
# shellcheck source=common.sh

# wire PLACE NAME MAC PLACE NAME MAC: a veth pair that carries only whole, checksummed frames of at
# most the MTU: what leaves an offload to the receiver would reach DPDK with no checksum.
wire() {
    ip link add name "$2" netns "$PREFIX-$1" address "$3" type veth \
        peer name "$5" netns "$PREFIX-$4" address "$6"
    local where name
    while read -r where name; do
        inside "$where" ethtool -K "$name" tx off tso off gso off gro off >/dev/null
        ip -n "$PREFIX-$where" link set "$name" up
    done <<<"$1 $2"$'\n'"$4 $5"
}

address() {
    local where=$1 name=$2 each
    shift 2
    for each in "$@"; do ip -n "$PREFIX-$where" address add "$each" dev "$name"; done
}

# deafen BOX NAME: its kernel must not see what the program receives. AF_PACKET takes its copy before this.
deafen() {
    inside "$1" nft "add table netdev lab; add chain netdev lab $2 { type filter hook ingress device $2 priority 0; policy drop; }" ||
        echo "lab: nft cannot drop at ingress here; the box's kernel sees a copy of each frame on $2" >&2
}
