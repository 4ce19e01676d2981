#!/bin/bash
# Health checks: servers die, hang, refuse, err, lose their cable and flap. Sourced by tests/system/run.
# shellcheck disable=SC2154  # lab and here are set there
# shellcheck source-path=SCRIPTDIR
# shellcheck source=control
. "$here/control"

INTERVAL=1 FALL=2 SLOW_START=4
VIP=192.0.2.10
# Connections across each event, a second. What is aimed at is 0.2 s more than interval x fall, and a twentieth of a second from
# the verdict to the last lcore, which is asserted where the machine does nothing else: LB_HEALTH_STRICT=1. One that does other
# things as well has more time, and the clients' clocks are read longer before their packets leave.
CONNECTS=10000 RATE=700 SLACK=2.0 FLIP=0.5
[ -z "${LB_HEALTH_STRICT:-}" ] || SLACK=0.2 FLIP=0.05

# Checks over the exception path, in a service by weights whose servers come back slowly.
health_lab() {
    timeout 120 "$lab" up --owner $$ || return 1
    jq --argjson interval $INTERVAL --argjson fall $FALL --argjson slow $SLOW_START '(.services[] | select(.name == "web4")) += {
        scheduler: "weighted-round-robin", slow_start: $slow,
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

# begin_crossing: connections begin, and go on for long enough to see s1 fail and come back with all of its share.
begin_crossing() {
    # Of an event that went wrong.
    until_true 120 gone_by crossing || return 1
    rm -f "$STATE/episodes" "$STATE/crossing.json"
    spawn crossing client python3 "$here/crossing" --connects $CONNECTS --rate $RATE --lasting 12 --log "$STATE/crossing.json" $VIP
    until_true 5 test -s "$STATE/crossing.json" || { cat "$STATE/crossing.log"; return 1; }
    sleep 0.5
}

# episode FAIL MEND SECONDS: s1 fails, is found down, is mended so long afterwards and found up again; notes when.
episode() {
    local at down mended
    at=$(date +%s.%N)
    "$1" || return 1
    until_true 20 is_down || return 1
    down=$(health .health.since)
    health .health.why
    sleep "$3"
    mended=$(date +%s.%N)
    "$2" || return 1
    until_true 30 all_up || { ctl backends web4; return 1; }
    echo "$at $down $mended $(health .health.since)" >>"$STATE/episodes"
}

# crossed NAME [--harmless]: what became of the connections.
crossed() {
    until_true 120 gone_by crossing || return 1
    python3 "$here/crossed" "$1" "$STATE/crossing.json" "$STATE/episodes" $CONNECTS $((INTERVAL * FALL)) $SLACK $FLIP ${2:+"$2"} | tee -a "$STATE/events"
    return "${PIPESTATUS[0]}"
}

# undisturbed NAME COMMAND...: COMMAND, and once more where a server that nobody has touched was found down meanwhile, by a
# machine that had no time for it: what COMMAND came to says nothing then.
undisturbed() {
    local name=$1 turn told
    shift
    for turn in 1 2 3; do
        told=$(wc -l <"$STATE/box.log")
        "$@" && return 0
        [ -z "${LB_HEALTH_STRICT:-}" ] || return 1
        tail -n "+$((told + 1))" "$STATE/box.log" | grep '^health: web4/s[23] is down' || return 1
        until_true 30 all_up || return 1
        echo "$name: once more, after turn $turn" | tee -a "$STATE/events"
    done
    return 1
}

# event NAME FAIL MEND [--harmless]: s1 fails and comes back while connections are made.
event() {
    undisturbed "$1" one_event "$@"
}

one_event() {
    begin_crossing && episode "$2" "$3" 2 && crossed "$1" ${4:+"$4"}
}

gone_by() {
    ! runs "$STATE/pids/$1"
}

has_its_share() {
    [ "$(health .effective_weight)" = 100 ]
}

# s1 comes back with a part of its share, and not with all of it at once: a fifth, or what it has earned by the second in which we
# come to look.
slow_return() {
    sicken && until_true 20 is_down && heal && until_true 20 all_up || return 1
    local first most
    first=$(health .effective_weight)
    most=$(health "20 + (now - .health.since) * 100 / $SLOW_START")
    echo "weight right after the return: $first of 100, at most $most"
    [ "$first" -ge 1 ] && [ "$first" -le "${most%.*}" ] && until_true 20 has_its_share
}

# Failures too short to be believed change nothing; after those that are long enough it is out until it is up again.
flapping() {
    local turn before lines
    before=$(grep -c 'health: web4/s1' "$STATE/box.log")
    begin_crossing || return 1
    # Of two checks in a row, half a second apart at least while it is in doubt, at most one fails.
    for turn in 0.3 0.4; do
        sicken; sleep "$turn"; heal; sleep 1.3
    done
    [ -z "${LB_HEALTH_STRICT:-}" ] || all_up || return 1
    until_true 30 all_up || return 1
    episode sicken heal 0.2 && episode sicken heal 0.2 || return 1
    lines=$(($(grep -c 'health: web4/s1' "$STATE/box.log") - before))
    echo "$(health .health.flaps) flaps, $lines lines in the log"
    [ $lines -le 7 ] && crossed flapping --harmless
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
    check "one that flaps is out while it is down, harms nobody and does not fill the log" undisturbed flapping flapping
    [ ! -s "$STATE/events" ] || sed 's/^/    /' "$STATE/events"
    check "the program ends with status 0" timeout 30 "$lab" stop
fi
