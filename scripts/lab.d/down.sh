#!/bin/bash
# scripts/lab down: everything that is on record goes, nothing else. Sourced by scripts/lab.
# shellcheck source=common.sh

# A process that takes the lab down when process $1 is gone, however it went.
spawn_watch() {
    # shellcheck disable=SC2016
    setsid "$LAB_D/record" "$STATE/pids/watch" bash -c \
        'tail --pid="$1" -f /dev/null; exec "$2" down' watch "$1" "$LAB_D/../lab" </dev/null >/dev/null 2>&1 9>&- &
}

remove_namespace() {
    local name=$1 link pid
    [ -e "/run/netns/$name" ] || return 0
    # A namespace lives on while a process is in it; its links go now.
    for link in $(ip -n "$name" -o link show | sed -n 's/^[0-9]*: \([^:@]*\).*/\1/p'); do
        [ "$link" = lo ] || ip -n "$name" link delete "$link" 2>/dev/null || true
    done
    for pid in $(ip netns pids "$name"); do
        [ "$pid" = $$ ] || echo "lab: process $pid ($(tr '\0' ' ' <"/proc/$pid/cmdline")) is not the lab's own; it stays, without a network" >&2
    done
    ip netns delete "$name"
}

# What DPDK leaves behind when box $1 is killed.
remove_dpdk_files() {
    local mount mark=$PREFIX${1#box}
    rm -rf "/var/run/dpdk/$mark"
    while read -r _ mount _; do
        rm -f "$mount/${mark}map_"*
    done < <(grep ' hugetlbfs ' /proc/mounts || true)
}

tear_down() {
    local name region
    runs "$DEMO" || rm -f "$DEMO"
    [ -d "$STATE" ] || return 0
    shopt -s nullglob
    local records=("$STATE"/pids/*)
    shopt -u nullglob
    end TERM 5 "${records[@]}" || end KILL 5 "${records[@]}" || fail "a process does not end: see $STATE/pids"
    if [ -f "$STATE/namespaces" ]; then
        while read -r name; do remove_namespace "$name"; done <"$STATE/namespaces"
    fi
    unlimit_servers
    for name in box box2; do
        if [ -f "$STATE/pids/$name" ]; then remove_dpdk_files $name; fi
        # On hugepages the region lies elsewhere, and the state directory holds a link to it.
        region=$STATE/state${name#box}/region
        if [ -L "$region" ]; then rm -f "$(readlink "$region")"; fi
    done
    rm -rf "$STATE"
}

lab_down() {
    [ $# -eq 0 ] || fail "down takes no option, not \"$1\""
    tear_down
    echo "lab: $PREFIX is down"
}
