#!/bin/bash
# Stock tools steer the data path: what `ip` does to the kernel devices is what packets meet. Sourced by tests/system/run.
# shellcheck disable=SC2154  # lab and here are set there
# shellcheck source-path=SCRIPTDIR
# shellcheck source=control
. "$here/control"

# Seconds within which a change is met. 0.2 are promised, which 56-route-churn.sh measures; here programs are started in between,
# on a machine that does other things as well, and only what never comes fails.
FOLLOWS=5

on_box() {
    ip -n "$PREFIX-box" "$@"
}

# The API, without the time that a program takes to start.
api() {
    curl -sf --noproxy '*' --max-time 5 --unix-socket "$CONTROL" "http://lb$1"
}

# within SECONDS WHAT COMMAND...: tries until it succeeds, and says how long that took.
within() {
    local seconds=$1 what=$2 began now
    shift 2
    began=$(date +%s%N)
    until "$@" >/dev/null 2>&1; do
        now=$(date +%s%N)
        [ $((now - began)) -lt $((seconds * 1000000000)) ] || { echo "$what: not within $seconds s"; return 1; }
    done
    now=$(date +%s%N)
    echo "$what: $(((now - began) / 1000000)) ms" | tee -a "$STATE/times"
}

route_is() {
    api '/v1/routes?limit=10000' | jq -e --arg prefix "$1" '[.routes[] | select(.prefix == $prefix)] | length == '"$2"
}

neighbor_is() {
    api /v1/neighbors | jq -e --arg a "$1" --arg m "$2" '.neighbors[] | select(.address == $a and .mac == $m and .state == "static")'
}

client_pings() {
    inside client ping -q -c 1 -W 1 "$1"
}

client_gets() {
    inside client curl -sf --noproxy '*' --max-time 1 http://192.0.2.10/
}

addresses_follow() {
    on_box addr add 198.51.100.77/24 dev lb-client
    within $FOLLOWS "ip addr add" client_pings 198.51.100.77 || return 1
    on_box addr add 2001:db8:1::77/64 dev lb-client nodad
    within $FOLLOWS "ip addr add, IPv6" client_pings 2001:db8:1::77 || return 1
    on_box addr del 198.51.100.77/24 dev lb-client
    within $FOLLOWS "ip addr del" eval '! client_pings 198.51.100.77'
}

routes_follow() {
    on_box route replace 203.0.113.0/24 via 10.0.0.11
    within $FOLLOWS "ip route replace" route_is 203.0.113.0/24 1 || return 1
    on_box route replace 2001:db8:99::/48 nexthop via 2001:db8:2::11 nexthop via 2001:db8:2::12
    within $FOLLOWS "ip route replace, two next hops" route_is 2001:db8:99::/48 1 || return 1
    on_box route del 203.0.113.0/24
    on_box route del 2001:db8:99::/48
    within $FOLLOWS "ip route del" route_is 203.0.113.0/24 0 && within $FOLLOWS "ip route del, IPv6" route_is 2001:db8:99::/48 0
}

neighbors_follow() {
    on_box neigh replace 10.0.0.11 lladdr 02:00:00:00:09:09 dev lb-server nud permanent
    within $FOLLOWS "ip neigh replace" neighbor_is 10.0.0.11 02:00:00:00:09:09 || return 1
    on_box neigh del 10.0.0.11 dev lb-server
    within $FOLLOWS "ip neigh del" eval '! neighbor_is 10.0.0.11 02:00:00:00:09:09'
}

links_follow() {
    on_box link set lb-client down
    within $FOLLOWS "ip link set down" eval '! client_gets' || return 1
    on_box link set lb-client up
    within $FOLLOWS "ip link set up" client_gets || return 1
    within $FOLLOWS "its addresses are back" client_pings 198.51.100.1 && within $FOLLOWS "and IPv6's" client_pings 2001:db8:1::1
}

mtu_is() {
    [ "$(on_box -j link show dev lb-client | jq '.[0].mtu')" = "$1" ]
}

# What is compared once a second is left alone for longer than that.
mtu_follows() {
    on_box link set lb-client mtu 9000
    within $FOLLOWS "a longer one is set back" mtu_is 1500 || return 1
    on_box link set lb-client mtu 1400
    sleep 1.5
    mtu_is 1400 || { echo "a shorter one is set back too"; return 1; }
    on_box link set lb-client mtu 1500
    grep 'MTU 9000 is more than its port' "$STATE/box.log"
}

has_address() {
    on_box -j addr show dev lb-server | jq -e --arg a "$1" '.[0].addr_info[] | select(.local == $a)'
}

kernel_has() {
    on_box -N route show proto 76 | grep "^$1 via $2 dev lb-server .*metric 4000"
}

the_document_rules() {
    local document=$STATE/with-routes.json
    on_box addr del 10.0.0.1/24 dev lb-server
    on_box addr del 2001:db8:2::1/64 dev lb-server
    within $FOLLOWS "a deleted address is back" has_address 10.0.0.1 && within $FOLLOWS "and IPv6's" has_address 2001:db8:2::1 || return 1
    jq '.routes += [{"prefix": "203.0.113.0/24", "via": "10.0.0.12"}]' "$STATE/lb.json" >"$document"
    ctl apply "$document" || return 1
    within $FOLLOWS "a route of the document is the kernel's" kernel_has 203.0.113.0/24 10.0.0.12 || return 1
    on_box route del 203.0.113.0/24 metric 4000
    within $FOLLOWS "and again when it was deleted" kernel_has 203.0.113.0/24 10.0.0.12 || return 1
    on_box link set lb-server down
    on_box link set lb-server up
    within $FOLLOWS "and after down and up" kernel_has 203.0.113.0/24 10.0.0.12 || return 1
    ctl apply "$STATE/lb.json" || return 1
    within $FOLLOWS "and gone with the document's" eval '! kernel_has 203.0.113.0/24 10.0.0.12'
}

# Lines for `ip -batch`: routes of both families that come, change and go.
changes() {
    python3 - <<'END'
import random
random.seed(55)
for _ in range(10000):
    six = random.random() < 0.5
    side = "2001:db8:2::1" if six else "10.0.0.1"
    prefix = f"2001:db8:{0x100 + random.randrange(200):x}::/48" if six else f"100.64.{random.randrange(200)}.0/24"
    verb = random.choice(["add", "replace", "replace", "del"])
    if random.random() < 0.3 and verb != "del":
        hops = random.sample([1, 2, 3], 2)
        way = " ".join(f"nexthop via {side}{hop} weight {random.randrange(1, 9)}" for hop in hops)
    elif random.random() < 0.1 and verb != "del":
        way = "metric 1024"
        prefix = "blackhole " + prefix
    else:
        way = "" if verb == "del" else f"via {side}{random.randrange(1, 4)}"
    print("route", verb, prefix, way)
END
}

# Of each prefix the best: that with the lowest metric, and of equal ones the first.
kernels_routes() {
    { on_box -j -4 route show table main; on_box -j -6 route show table main; } | jq -rs '
        add | map(select(.dst | test("^(100\\.64|2001:db8:[12]..::)"))) | group_by(.dst) | map(min_by(.metric // 0))
        | map(.dst + " " + ([(.nexthops // [.])[] | .gateway // empty] | sort | join(","))) | sort | .[]'
}

our_routes() {
    api '/v1/routes?limit=10000' | jq -r '
        .routes | map(select(.prefix | test("^(100\\.64|2001:db8:[12]..::)")))
        | map(.prefix + " " + ([.next_hops[].via // empty] | sort | join(","))) | sort | .[]'
}

both_are_equal() {
    [ "$(kernels_routes)" = "$(our_routes)" ]
}

random_changes() {
    changes | on_box -force -batch - >/dev/null 2>&1
    if ! within 60 "10,000 changes" both_are_equal; then
        diff <(kernels_routes) <(our_routes)
        return 1
    fi
    kernels_routes | wc -l | sed 's/$/ routes are left/'
    api /v1/status | jq -e '.routing_daemon | .messages > 1000'
}

if [ ! -e /dev/net/tun ]; then
    skip "the routing daemon: there is no /dev/net/tun (modprobe tun)"
else
    check "the lab comes up for the routing daemon" timeout 120 "$lab" up --owner $$
    check "lb-dataplane starts with an exception path to follow" timeout 60 "$lab" start -- --exception tap
    check "ip addr reaches packets" addresses_follow
    check "ip route reaches the routing table" routes_follow
    check "ip neigh reaches the neighbor table" neighbors_follow
    check "ip link set down and up reach the port" links_follow
    check "a kernel device's MTU may be shorter than its port's and not longer" mtu_follows
    check "what the document says is in the kernel, and comes back" the_document_rules
    check "10,000 random changes end with both sides equal" random_changes
    check "services go on beside it" timeout 20 "$lab" exec client curl -sf --noproxy '*' --max-time 10 http://192.0.2.10/
    check "the program that followed ends with status 0" timeout 30 "$lab" stop
    [ ! -s "$STATE/times" ] || sed 's/^/    /' "$STATE/times"
fi
