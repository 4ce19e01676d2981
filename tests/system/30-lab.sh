#!/bin/bash
# The lab and the demo leave nothing behind, however they end. Sourced by tests/system/run.
# shellcheck disable=SC2154  # lab and here are set there

# gone NAME: no namespace, no process on record, no state of lab NAME.
gone() {
    ! ip netns list | grep -q "^$1-" && [ ! -e "/run/lb-lab-$1" ] && [ ! -e "/run/lb-demo-$1" ]
}

lab_recovers() {
    timeout 120 "$lab" up && timeout 120 "$lab" up && timeout 30 "$lab" status || return 1
    local pid _
    read -r pid _ <"$STATE/pids/s1-nginx"
    kill -KILL "$pid"
    timeout 60 "$lab" down && timeout 60 "$lab" down && gone "$PREFIX"
}

lab_ends_with_its_owner() {
    local owner
    sleep 600 >/dev/null 2>&1 &
    owner=$!
    timeout 120 "$lab" up --owner "$owner" || return 1
    kill "$owner"
    until_true 20 gone "$PREFIX"
}

demo_serves() {
    timeout 300 "$TREE/scripts/demo" --for 3 </dev/null && gone "$PREFIX"
}

# A demo that is killed outright: somebody else has to clean up, within seconds.
demo_killed() {
    local pid _
    timeout 300 "$TREE/scripts/demo" </dev/null >/dev/null 2>&1 &
    until_true 120 test -s "$STATE/pids/box" || return 1
    read -r pid _ <"$DEMO"
    ! timeout 20 "$TREE/scripts/demo" --for 1 </dev/null || return 1
    kill -KILL "$pid"
    until_true 30 gone "$PREFIX"
}

check "a lab that lost a server is taken down, and down twice is no error" lab_recovers
check "a lab ends with its owner" lab_ends_with_its_owner
check "the demo serves without a terminal and leaves nothing behind" demo_serves
check "a demo that is killed is cleaned up, and a second one gives way to a first" demo_killed
