#!/bin/bash
# Agents of both kinds move weights. Sourced by tests/system/run.
# shellcheck disable=SC2154  # lab and here are set there; s1, s2 and s3 by served
# shellcheck source-path=SCRIPTDIR
# shellcheck source=control
. "$here/control"

# Three agents by file, so that it is known what they say: s1 has half the strength of the others.
agents_weigh() {
    local n agent
    agent=$(beside lb-agent)
    end TERM 5 "$STATE"/pids/s?-agent && now '(.services[] | select(.name == "web4") | .weights) = "even"' || return 1
    for n in "${SERVERS[@]}"; do
        echo "{\"cpu_utilization\": $([ "$n" = 1 ] && echo 0.8 || echo 0.4), \"rps_fractional\": 100}" >"$STATE/says$n"
        spawn "s$n-agent" "s$n" "$agent" --to "unix:$CONTROL" --backend "s$n" --no-proc --file-age 0 --file "$STATE/says$n"
    done
    until_true 15 agents_heard && until_true 60 share s1 0.15 0.25 || explain || return 1
    served 1000 && [ "$s1" -lt 300 ]
}

silent_is_neutral() {
    end KILL 5 "$STATE/pids/s1-agent" || return 1
    until_true 20 is_silent && until_true 90 share s1 0.31 0.35 || explain || return 1
    ctl explain web4 | grep silent
}

is_silent() {
    ctl agents --json | jq -e '[.agents[] | select(.backend == "s1" and .service == "web4") | .values.age_seconds > 10] == [true]'
}

# A line of socat per backend speaks HAProxy's agent-check; the control side asks through the box's kernel.
agent_check_answers() {
    local n
    for n in "${SERVERS[@]}"; do
        echo "up ready 100%" >"$STATE/check$n"
        spawn "check$n" box socat "TCP-LISTEN:9009,bind=127.0.0.$n,fork,reuseaddr" "EXEC:cat $STATE/check$n"
    done
    now '(.services[] | select(.name == "web4")) |= (.agent_check = {port: 9009, interval: 1} |
        .backends |= (to_entries | map(.value + {agent_address: "127.0.0.\(.key + 1)"})))' || return 1
    says s1 100% "up ready 100%" 0.32 0.35
}

# says BACKEND WORD WORDS LOW HIGH: its agent says WORDS from now on, and its share follows.
says() {
    echo "$3" >"$STATE/check${1#s}"
    until_true 15 hears "$1" "$2" || explain || return 1
    until_true 15 share "$1" "$4" "$5" || explain
}

hears() {
    ctl agents --json | jq -e --arg b "$1" --arg w "$2" '.agents[] | select(.service == "web4" and .backend == $b) | .agent_check.said | contains($w)'
}

percent_acts() {
    says s1 50% "50%" 0.19 0.21 && served 1000 && [ "$s1" -ge 180 ] && [ "$s1" -le 220 ]
}

drain_and_ready_act() {
    says s1 drain "drain" 0 0 && served 300 && [ "$s1" = 0 ] && says s1 ready "ready 100%" 0.32 0.35 && served 300 && [ "$s1" -ge 90 ]
}

if has_lbctl; then
    check "the lab comes up for agents" lab_for_control
    check "lb-agent with nginx on each server is heard" timeout 60 "$lab" agents
    check "agents are heard, and even takes connections from the weaker server" agents_weigh
    check "an agent is killed: its backend's weight is neutral within 90 s" silent_is_neutral
    if command -v socat >/dev/null; then
        check "agent-check servers of one line of socat are heard" agent_check_answers
        check "agent-check: 50% halves the weight" percent_acts
        check "agent-check: drain takes a backend out, ready brings it back" drain_and_ready_act
    else
        skip "agent-check: needs socat"
    fi
    check "with all its agents SIGTERM ends the program with status 0" timeout 30 "$lab" stop
else
    skip "agents on real traffic: needs lbctl and lb-agent beside lb-dataplane (cargo build --release)"
fi
