#!/bin/bash
# The program is killed under load and started again: connections go on. Sourced by tests/system/run.
# shellcheck disable=SC2154  # lab and here are set there

# Two services more, for streams, and their servers on port 9000 of each backend.
stream_services() {
    local n more
    # shellcheck disable=SC2016  # jq's variables
    more='def stream($name; $address; $prefix): {
        name: $name, address: $address, port: 9000, protocol: "tcp", forwarding: "nat", scheduler: "round-robin",
        backends: [range(1; 4) | {name: "s\(.)", address: "\($prefix)\(.)"}] };
        .services += [stream("stream4"; "192.0.2.10"; "10.0.0.1"), stream("stream6"; "2001:db8:10::10"; "2001:db8:2::1")]'
    jq "$more" "$STATE/lb.json" >"$STATE/lb.json.new" && mv "$STATE/lb.json.new" "$STATE/lb.json" || return 1
    for n in "${SERVERS[@]}"; do spawn "s$n-streams" "s$n" "$here/streams" serve 9000; done
}

lab_with_streams() {
    timeout 120 "$lab" up --owner $$ && stream_services && timeout 60 "$lab" start
}

# The next process on the same state, as soon as the one before is gone.
kill_and_start() {
    local pid _
    read -r pid _ <"$STATE/pids/box"
    kill -KILL "$pid"
    while runs "$STATE/pids/box"; do :; done
    timeout 60 "$lab" start && grep '^adopted ' "$STATE/box.log"
}

streams_go_on() {
    local pid _ status
    spawn streams client bash -c '"$@"; echo "status $?"' streams "$here/streams" ask 2000 \
        192.0.2.10:9000 '[2001:db8:10::10]:9000'
    until_true 90 grep -q '^moving' "$STATE/streams.log" || { cat "$STATE/streams.log"; return 1; }
    kill_and_start || return 1
    read -r pid _ <"$STATE/pids/streams"
    pkill -USR1 -P "$pid"
    until_true 240 grep -q '^status' "$STATE/streams.log"
    cat "$STATE/streams.log" "$STATE"/s?-streams.log
    status=$(sed -n 's/^status //p' "$STATE/streams.log")
    [ "$status" = 0 ] && ! grep -q wrong "$STATE"/s?-streams.log
}

check "the lab comes up with two services for streams" lab_with_streams
check "2,000 connections that move data both ways go on when the program is killed and started again" streams_go_on
grep 'without progress' "$STATE/streams.log" | sed 's/^/    /' || true
grep '^adopted ' "$STATE/box.log" | sed 's/^/    /' || true
check "the program that adopted them ends with status 0" timeout 30 "$lab" stop
