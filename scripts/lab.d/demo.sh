#!/bin/bash
# The two demos: each brings the lab up and starts its client in the background. Sourced by scripts/demo.
# shellcheck source=common.sh
# shellcheck disable=SC2154  # here, owner, limit, plot are the demo's

# Real clients to every service, for as long as one likes.
demo_requests() {
    "$here/lab" up "${owner[@]}"
    "$here/lab" start
    read -r box _ <"$STATE/pids/box"
    cat <<END
demo: 4 of 4, requests; each is a new connection of the client to a VIP. Play with it meanwhile:
$([ "$PREFIX" = lb ] || echo "    export LB_LAB=$PREFIX")
    scripts/lab exec client curl http://192.0.2.10/              nat, IPv4
    scripts/lab exec client curl 'http://[2001:db8:10::10]/'     nat, IPv6
    scripts/lab exec client curl http://192.0.2.20/              direct, IPv4
    scripts/lab exec client curl 'http://[2001:db8:10::20]/'     direct, IPv6
    scripts/lab exec client tcpdump -ni eth0                     what the client sees
    scripts/lab status                                           what runs where

$([ ${#limit[@]} -gt 0 ] && echo "It ends after ${limit[1]} s, or with Ctrl-C." || echo "Ctrl-C ends it.")
END
    ip netns exec "$PREFIX-client" "$here/lab.d/requests" --live --parallel 4 --watch "$box" "${limit[@]}" \
        web4=192.0.2.10 web6=2001:db8:10::10 direct4=192.0.2.20 direct6=2001:db8:10::20 &
}

# One service, servers of different strength, agents: equal weights against weights from load.
demo_feedback() {
    local lbctl
    lbctl=$(dirname "$(program)")/lbctl
    [ -n "$plot" ] || plot=$(cd "$TREE" && cargo metadata --no-deps --offline --format-version 1 | jq -r .target_directory)/feedback.svg
    [ "$(python3 -c 'import os; print(len(os.sched_getaffinity(0)))')" -ge 2 ] ||
        echo "demo: one CPU for the worker lcore and all servers: what is measured here means nothing" >&2
    "$here/lab" up --quotas "0.1 0.2 0.4" "${owner[@]}"
    "$LAB_D/config" --feedback >"$STATE/lb.json"
    jq '.services[0].weights = "even"' "$STATE/lb.json" >"$STATE/even.json"
    "$here/lab" start
    "$here/lab" agents
    read -r box _ <"$STATE/pids/box"
    cat <<END
demo: 4 of 4, load that the weakest server can only just bear, then \`even\`. Look at it meanwhile:
$([ "$PREFIX" = lb ] || echo "    export LB_LAB=$PREFIX")
    scripts/lab ctl top               rates, weights, what agents say
    scripts/lab ctl explain web       why each weight is what it is

END
    # Not ip netns exec, which hides the control groups.
    nsenter --net="/run/netns/$PREFIX-client" "$here/lab.d/feedback/run" --limits "$STATE/limits" \
        --control "$CONTROL" --lbctl "$lbctl" --even "$STATE/even.json" --plot "$plot" --watch "$box" "${limit[@]}" &
}
