#!/bin/bash
# Health checks: servers die, hang, refuse, err, lose their cable and flap. Sourced by tests/system/run.
# shellcheck disable=SC2154  # lab and here are set there
# shellcheck source-path=SCRIPTDIR
# shellcheck source=control
. "$here/control"

INTERVAL=1 FALL=2
VIP=192.0.2.10

# Checks over the exception path, in a service by weights whose servers come back slowly.
health_lab() {
    timeout 120 "$lab" up --owner $$ || return 1
    jq --argjson interval $INTERVAL --argjson fall $FALL '(.services[] | select(.name == "web4")) += {
        scheduler: "weighted-round-robin", slow_start: 4,
        health: { type: "http", path: "/health", interval: $interval, timeout: 0.5, rise: 2, fall: $fall } }' \
        "$STATE/lb.json" >"$STATE/next.json" && mv "$STATE/next.json" "$STATE/lb.json" || return 1
    timeout 60 "$lab" start -- --exception tap && until_true 10 all_up
}

# health FILTER: jq's filter on s1 of web4.
health() {
    ctl backends web4/s1 --json | jq -er "$1"
}

all_up() {
    [ "$(ctl backends web4 --json | jq -r '[.backends[].health.state] | unique | join(" ")')" = up ]
}

is_down() {
    [ "$(health .health.state)" = down ]
}

server_pid() {
    local pid _
    read -r pid _ <"$STATE/pids/s1-nginx" && echo "$pid"
}

kill_it() { kill -KILL "$(server_pid)"; }
start_it() { spawn s1-nginx s1 nginx -p "$STATE/s1" -c "$STATE/s1/nginx.conf"; }
stop_it() { kill -STOP "$(server_pid)"; }
continue_it() { kill -CONT "$(server_pid)"; }
refuse() { inside s1 nft 'add table inet lab; add chain inet lab in { type filter hook input priority 0; }; add rule inet lab in tcp dport 8080 reject with tcp reset'; }
accept() { inside s1 nft delete table inet lab; }
sicken() { touch "$STATE/s1/sick"; }
heal() { rm -f "$STATE/s1/sick"; }
unplug() { ip -n "$PREFIX-switch" link set s1 down; }
plug_in() { ip -n "$PREFIX-switch" link set s1 up; }

# event NAME FAIL MEND [--harmless]: 2,000 connections while s1 fails, and s1 back afterwards.
event() {
    local name=$1 log=$STATE/crossing.json at down status=0
    spawn crossing client python3 "$here/crossing" --connects 2000 --rate 350 --lasting 6 --log "$log" $VIP
    until_true 5 test -s "$log" || { cat "$STATE/crossing.log"; return 1; }
    sleep 0.5
    at=$(date +%s.%N)
    "$2" || return 1
    until_true 8 is_down && down=$(health .health.since) || status=1
    health .health.why
    until_true 15 gone_by crossing || status=1
    "$3" || return 1
    if [ $status = 0 ]; then
        python3 "$here/crossed" "$name" "$log" "$at" "$down" $INTERVAL $FALL ${4:+"$4"} | tee -a "$STATE/events" || status=1
    fi
    until_true 15 all_up || { ctl backends web4; status=1; }
    return $status
}

gone_by() {
    ! runs "$STATE/pids/$1"
}

has_its_share() {
    [ "$(health .effective_weight)" = 100 ]
}

# s1 comes back with a part of its share, and not with all of it at once.
slow_return() {
    sicken && until_true 8 is_down && heal && until_true 8 all_up || return 1
    local first
    first=$(health .effective_weight)
    echo "weight right after the return: $first of 100"
    [ "$first" -ge 1 ] && [ "$first" -le 60 ] && until_true 10 has_its_share
}

flapping() {
    local log=$STATE/crossing.json turn before lines
    before=$(grep -c 'health: web4/s1' "$STATE/box.log")
    spawn crossing client python3 "$here/crossing" --connects 2400 --rate 300 --log "$log" $VIP
    for turn in 0.3 0.8 1.5 0.2 1.2; do
        sicken; sleep "$turn"; heal; sleep 0.4
    done
    until_true 15 gone_by crossing && until_true 10 all_up || return 1
    lines=$(($(grep -c 'health: web4/s1' "$STATE/box.log") - before))
    echo "$(health .health.flaps) flaps, $lines lines in the log"
    [ $lines -le 7 ] && [ "$(jq -s '[.[] | select(.error)] | length' "$log")" = 0 ] && [ "$(jq -s length "$log")" = 2400 ]
}

if [ ! -e /dev/net/tun ]; then
    skip "health checks: there is no /dev/net/tun (modprobe tun)"
elif ! has_lbctl; then
    skip "health checks: lbctl is not beside the program"
else
    check "the lab comes up with health checks, and all servers are up" health_lab
    check "a server that is killed gets no new flows, others' go on" event killed kill_it start_it
    check "one that is stopped (SIGSTOP) gets no new flows, others' go on" event stopped stop_it continue_it
    check "one that refuses gets no new flows, others' go on" event refusing refuse accept
    check "one that answers 500 gets no new flows, and nobody notices" event erring sicken heal --harmless
    check "one that is unplugged gets no new flows, others' go on" event unplugged unplug plug_in
    check "one that comes back starts slowly" slow_return
    check "one that flaps harms nobody and does not fill the log" flapping
    [ ! -s "$STATE/events" ] || sed 's/^/    /' "$STATE/events"
    check "the program ends with status 0" timeout 30 "$lab" stop
fi
