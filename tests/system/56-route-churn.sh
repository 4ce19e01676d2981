#!/bin/bash
# Routes come in thousands and change a thousand times a second, beside traffic that follows them; it prints figures.
# On a machine that does other things as well they say little, so only a collapse fails; LB_ROUTES_STRICT=1, for a
# quiet machine, asserts what is aimed at. Sourced by tests/system/run.
# shellcheck disable=SC2154  # lab and here are set there
# shellcheck source-path=SCRIPTDIR
# shellcheck source=../../scripts/lab.d/box.sh
. "$LAB_D/box.sh"
# shellcheck source=../../scripts/lab.d/limits.sh
. "$LAB_D/limits.sh"

# Seconds behind the kernel, part of the traffic lost, milliseconds until a change is met, and changes/s that `ip` manages.
MOST_BEHIND=20 MOST_EFFECT=0.9 MOST_LAG=3000 LEAST_RATE=100
[ -z "${LB_ROUTES_STRICT:-}" ] || MOST_BEHIND=2 MOST_EFFECT=0.03 MOST_LAG=200 LEAST_RATE=900

# Ports 2 to 4 of their own: answers without a pause in, and two sinks that routes of the kernel choose between.
answering_box() {
    timeout 120 "$lab" up --owner $$ || return 1
    "$here/loads" answers "$STATE/answers.pcap" 02:70:63:61:70:00
    cat >"$STATE/vdevs" <<END2
--vdev=net_pcap0,rx_pcap=$STATE/answers.pcap,infinite_rx=1
--vdev=net_null0,no-rx=1
--vdev=net_null1,no-rx=1
END2
    jq '.interfaces += [{port: 2, name: "load", addresses: ["203.0.113.1/25"]},
            {port: 3, name: "sink", addresses: ["192.168.77.1/24"]}, {port: 4, name: "other", addresses: ["192.168.78.1/24"]}]
        | .routes = (.routes // []) + [{prefix: "100.64.0.0/10", via: "192.168.77.2"}]
        | .neighbors = [["192.168.77.2", "02:00:00:00:0b:01"], ["192.168.77.3", "02:00:00:00:0b:02"], ["192.168.78.2", "02:00:00:00:0b:03"]]
        | .neighbors |= map({address: .[0], mac: .[1]})
        | .services += [{name: "load", address: "192.0.2.30", port: 9, protocol: "udp", forwarding: "nat", scheduler: "maglev",
            backends: [{name: "sink", address: "192.168.77.2", port: 9}]}]' "$STATE/lb.json" >"$STATE/next.json" &&
        mv "$STATE/next.json" "$STATE/lb.json" && timeout 60 "$lab" start -- --exception tap --mbufs 145000 --run-for 900
}

loads() {
    timeout 200 "$lab" exec box "$here/loads" "$@"
}

box_pid() {
    local pid _
    read -r pid _ <"$STATE/pids/box" && echo "$pid"
}

churn() {
    local found
    found=$(loads churn "$CONTROL" "$(box_pid)" "$(other_cpus)" 1000) || { echo "$found"; return 1; }
    jq -r --arg of "$1" '"\($of) routes, \(.changes_per_second) changes/s: \(.packets_per_second_without) packets/s without, \(.packets_per_second_not_followed) beside changes that nobody follows, \(.packets_per_second_followed) beside these: effect of following \(.effect * 1000 | round / 10) % (\(.effects[0] * 1000 | round / 10) to \(.effects[-1] * 1000 | round / 10)); \(.flips_per_second) flips/s; a change is met after \(.lag_ms_median) ms, worst of \(.changes_looked_at) \(.lag_ms_worst) ms; the routing daemon takes \(.routing_daemon_cpu * 1000 | round / 10) % of a CPU"' \
        <<<"$found" | tee -a "$STATE/figures"
    jq -e --argjson effect $MOST_EFFECT --argjson lag $MOST_LAG --argjson rate $LEAST_RATE '.changes_per_second > $rate and .effect <= $effect
        and .lag_ms_median <= $lag and .changes_looked_at >= 3' <<<"$found"
}

hundred_thousand() {
    local found
    found=$(loads routes "$CONTROL" 100000) || { echo "$found"; return 1; }
    jq -r '"\(.routes) routes: `ip` takes \(.seconds_to_add) s to add them; the last is in force \(.seconds_behind) s later"' <<<"$found" | tee -a "$STATE/figures"
    jq -e --argjson most $MOST_BEHIND '.seconds_behind <= $most' <<<"$found"
}

if [ ! -e /dev/net/tun ]; then
    skip "routes that change beside traffic: there is no /dev/net/tun (modprobe tun)"
else
    check "lb-dataplane starts with answers that never pause" answering_box
    check "1,000 changes a second among 1,000 routes leave traffic alone and reach it" churn 1,000
    check "100,000 routes come" hundred_thousand
    check "1,000 changes a second among 100,000 routes leave traffic alone and reach it" churn 100,000
    check "the program ends with status 0 after them" timeout 30 "$lab" stop
    [ ! -s "$STATE/figures" ] || sed 's/^/    /' "$STATE/figures"
fi
