#!/bin/bash
# scripts/lab agents and ctl: what speaks with the control side of the box. Sourced by scripts/lab.
# shellcheck source=common.sh

# beside NAME: another program of the build that the box runs.
beside() {
    local file
    file=$(dirname "$(program)")/$1
    [ -x "$file" ] || fail "there is no program $file: build it with cargo build --release"
    echo "$file"
}

# Not ip netns exec, which hides the control groups: all places share the machine's files.
lab_agents() {
    local agent n group
    [ $# -eq 0 ] || fail "agents takes no option, not \"$1\""
    runs "$STATE/pids/box" || fail "the box does not run: scripts/lab start"
    agent=$(beside lb-agent)
    for n in "${SERVERS[@]}"; do
        ! runs "$STATE/pids/s$n-agent" || continue
        group=$(awk -v s="s$n" '$1 == s { print $3 }' "$STATE/limits" 2>/dev/null || true)
        setsid "$LAB_D/record" "$STATE/pids/s$n-agent" nsenter --net="/run/netns/$PREFIX-s$n" "$agent" \
            --to "unix:$CONTROL" --backend "s$n" --port 80,8080 --nginx http://127.0.0.1:8080/stub_status \
            ${group:+--cgroup "$group"} </dev/null >"$STATE/s$n-agent.log" 2>&1 9>&- &
        until_true 5 test -s "$STATE/pids/s$n-agent"
    done
    until_true 10 agents_heard || fail "the box hears no agents: see $STATE/s1-agent.log"
    echo "lab: three agents report to $CONTROL"
}

agents_heard() {
    lab_ctl agents --json | jq -e '[.agents[] | select(.values != null and .values.age_seconds < 3) | .backend] | unique | length == 3'
}

lab_ctl() {
    "$(beside lbctl)" --control "unix:$CONTROL" "$@"
}
