#!/bin/bash
# scripts/lab status: what is up. Sourced by scripts/lab.
# shellcheck source=common.sh

lab_status() {
    local place record mark
    if [ ! -d "$STATE" ]; then
        echo "lab: $PREFIX is down"
        return 1
    fi
    echo "lab $PREFIX, state in $STATE$([ ! -e "$STATE/one-armed" ] || echo ", one-armed")"
    [ ! -e "$STATE/router" ] || PLACES+=(router box2)
    for place in "${PLACES[@]}"; do
        if [ ! -e "/run/netns/$PREFIX-$place" ]; then
            printf '%-8s missing\n' "$place"
            continue
        fi
        printf '%-8s' "$place"
        ip -n "$PREFIX-$place" -br address show 2>/dev/null |
            awk '$1 != "lo" { sub(/@.*/, "", $1); printf " %s %s", $1, $2; for (i = 3; i <= NF; i++) if ($i !~ /^fe80/) printf " %s", $i } END { print "" }'
    done
    for record in "$STATE"/pids/*; do
        [ -e "$record" ] || continue
        mark="runs, process $(cut -d' ' -f1 "$record")"
        runs "$record" || mark="ended"
        printf '%-12s %s\n' "${record##*/}" "$mark"
    done
    [ -e "$STATE/pids/box" ] || echo "box          not started: scripts/lab start"
}
