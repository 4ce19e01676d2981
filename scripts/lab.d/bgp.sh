#!/bin/bash
# scripts/lab bgp: a routing daemon in the box, with the sample configuration of packaging/. Sourced by scripts/lab.
# shellcheck source=common.sh

# The samples have the first box's addresses.
of_this_box() {
    if [ "$BOX" = box2 ]; then
        sed -E 's/\b198\.51\.100\.1\b/198.51.100.2/g; s/\b2001:db8:1::1\b/2001:db8:1::2/g' "$1"
    else
        cat "$1"
    fi
}

bgp_bird() {
    local conf=$STATE/$BOX-bird.conf
    command -v bird >/dev/null || fail "there is no bird: run scripts/setup"
    of_this_box "$TREE/packaging/bird/bird.conf" | sed 's/^log syslog/log stderr/' >"$conf"
    [ "$1" != bfd ] || sed -i 's/^# *\(protocol bfd\)/\1/; s/# *bfd on;/bfd on;/' "$conf"
    spawn "$BOX-bird" "$BOX" bird -f -c "$conf" -s "$STATE/$BOX-bird.ctl" -P "$STATE/$BOX-bird.pid"
    until_true 10 birdc -s "$STATE/$BOX-bird.ctl" show status || fail "BIRD does not start: see $STATE/$BOX-bird.log"
}

# Zebra first; the configuration comes by vtysh, as the service would have it.
bgp_frr() {
    local dir=$STATE/$BOX-frr daemon
    [ -x /usr/lib/frr/zebra ] || fail "there is no FRR: run scripts/setup"
    rm -rf "$dir"
    mkdir "$dir"
    of_this_box "$TREE/packaging/frr/frr.conf" >"$dir/frr.conf"
    : >"$dir/empty.conf"
    echo 'service integrated-vtysh-config' >"$dir/vtysh.conf"
    chown -R frr:frr "$dir"
    for daemon in zebra bgpd; do
        spawn "$BOX-$daemon" "$BOX" "/usr/lib/frr/$daemon" -f "$dir/empty.conf" -z "$dir/zserv.api" \
            -i "$dir/$daemon.pid" --vty_socket "$dir" -A 127.0.0.1 -P 0 --log stdout
        until_true 10 test -S "$dir/$daemon.vty" || fail "FRR's $daemon does not start: see $STATE/$BOX-$daemon.log"
    done
    inside "$BOX" vtysh --vty_socket "$dir" --config_dir "$dir" -b || fail "FRR does not take its configuration"
}

lab_bgp() {
    [ -e "$STATE/router" ] || fail "there is no router to speak to: scripts/lab up --router"
    local records=("$STATE/pids/$BOX-bird" "$STATE/pids/$BOX-bgpd" "$STATE/pids/$BOX-zebra")
    case ${1:-} in
    bird | bird-bfd | frr | stop) end TERM 5 "${records[@]}" || end KILL 5 "${records[@]}" || fail "a routing daemon does not end" ;;
    *) fail "bgp knows bird, bird-bfd, frr and stop, not \"${1:-}\"" ;;
    esac
    case $1 in
    bird) bgp_bird "" ;;
    bird-bfd) bgp_bird bfd ;;
    frr) bgp_frr ;;
    esac
}
