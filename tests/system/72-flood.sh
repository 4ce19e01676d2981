#!/bin/bash
# BIRD's session over the exception path while a million packets a second flood an address of the box's own, beside a million
# a second of service traffic. Sourced by tests/system/run.
# How many packets pass in a second is the machine's affair, which may be compiling at the same time: it is printed. That the session
# lives and that nothing which came in is lost holds on a slow one, too. LB_EXCEPTION_STRICT=1, for a quiet machine, asserts the rates.
# shellcheck disable=SC2154,SC2034  # lab and here are set there; began is read by takes
# shellcheck source-path=SCRIPTDIR
# shellcheck source=routers
. "$here/routers"
# shellcheck source=../../scripts/lab.d/box.sh
. "$LAB_D/box.sh"
# shellcheck source=../../scripts/lab.d/limits.sh
. "$LAB_D/limits.sh"
# shellcheck source=../../scripts/lab.d/agents.sh
. "$LAB_D/agents.sh"
# shellcheck source=paced
. "$here/paced"

VIPS=(192.0.2.10 2001:db8:10::10 192.0.2.20 2001:db8:10::20)
# Packets/s of the flood, and the part of the service traffic that it may take. On any machine: that both sources were there, and
# more came than a class may send up (a third are pings, of which 10,000 a second may).
LEAST_FLOOD=50000 MOST_LOSS=0.99 VIPS_WITHIN=5000
[ -z "${LB_EXCEPTION_STRICT:-}" ] || LEAST_FLOOD=500000 MOST_LOSS=0.02 VIPS_WITHIN=100

starts_with_ports() {
    "$here/loads" capture service "$STATE/service.pcap" 02:70:63:61:70:00
    "$here/loads" capture own "$STATE/own.pcap" 02:70:63:61:70:01
    memif 0 service 02:70:63:61:70:00 >"$STATE/vdevs"
    echo "--vdev=net_null0,no-rx=1" >>"$STATE/vdevs"
    memif 1 own 02:70:63:61:70:01 >>"$STATE/vdevs"
    cp "$STATE/lb.json" "$STATE/plain.json"
    with_load flood <"$STATE/plain.json" >"$STATE/lb.json"
    timeout 60 "$lab" start -- --exception tap
}

# session_in_a_flood: ten seconds, more than three hold times.
session_in_a_flood() {
    local before alone found after
    before=$(since)
    source_starts service service=service=1 || return 1
    alone=$("$here/loads" rates "$CONTROL" 3 3) || return 1
    source_starts flood own=own=1 || return 1
    found=$("$here/loads" rates "$CONTROL" 3,4 10) || return 1
    after=$(since)
    printf '%s\n' "$before" "$after"
    source_ends flood && source_ends service || return 1
    jq -rn --argjson alone "$alone" --argjson found "$found" \
        '"flood: \($found["4"].received) packets/s to the own address; service traffic \($alone["3"].sent) packets/s alone, \($found["3"].sent) beside"' |
        tee "$STATE/figures"
    jq -en --argjson alone "$alone" --argjson found "$found" --argjson least $LEAST_FLOOD --argjson most $MOST_LOSS \
        '$found["4"].received > $least and $found["3"].sent >= (1 - $most) * $alone["3"].sent' || return 1
    if [ -z "$before" ] || [ "$after" != "$before" ]; then
        echo "another session"
        return 1
    fi
    # Whose lcores were kept from their CPUs for a second withdraws its VIPs, for two at most.
    began=$(now_ms)
    takes $VIPS_WITHIN "flood over: all VIPs known" all_known "${VIPS[@]}"
}

# What the source has sent is the service's but for what was left in the ring (memif: 4,096), and went out on port 3 beside what the
# kernel and we ourselves had to say there.
service_loses_nothing() {
    tail -n 1 "$STATE/service.log" && jq -c '{ports, services, kernel, drops, solicitations}' "$STATE/report.json" || return 1
    jq -e --argjson source "$(tail -n 1 "$STATE/service.log")" '$source[0].sent as $sent
        | (.services[] | select(.name == "load").packets) as $served
        | (.ports[] | select(.port == 3)) as $out | (.kernel[] | select(.port == 3).down) as $beside
        | $sent > 100000 and $served <= $sent and $served >= $sent - 4096 and $out.tx_dropped == 0
        and $out.tx_packets >= $served and $out.tx_packets <= $served + $beside + .solicitations' "$STATE/report.json"
}

flood_is_counted() {
    jq -c '{verdicts, drops, kernel}' "$STATE/report.json"
    jq -e '.received == ([.verdicts[]] | add) and .drops.punt_rate > 50000
        and .verdicts.punted == ([.kernel[] | .up + .up_dropped] | add)' "$STATE/report.json"
}

if [ ! -e /dev/net/tun ]; then
    skip "a flood beside BGP: there is no /dev/net/tun (modprobe tun)"
elif ! has_lbctl || ! has_source; then
    skip "a flood beside BGP: needs lbctl and lb-bench-source beside lb-dataplane (cargo build --release)"
elif ! command -v bird >/dev/null; then
    skip "a flood beside BGP: needs bird (package bird2)"
else
    check "the lab comes up with a router, for a flood" timeout 120 "$lab" up --router --owner $$
    check "lb-dataplane starts with ports for a flood" starts_with_ports
    check "BIRD: a session before the flood, all VIPs learnt" speaks bird "${VIPS[@]}"
    check "BIRD's session (hold time 3 s) and a million packets/s of service traffic survive a million packets/s to the own address" session_in_a_flood
    check "the program ends with status 0 after the flood" timeout 30 "$lab" stop
    check "every packet to the service that came in beside the flood was sent on" service_loses_nothing
    check "every packet of the flood is counted" flood_is_counted
    sed 's/^/    /' "$STATE/figures"
fi
