#!/bin/bash
# Names, paths and process records of a lab. Sourced, never run.
# shellcheck disable=SC2034  # who sources this file uses them

PREFIX=${LB_LAB:-lb}
STATE=/run/lb-lab-$PREFIX
LAB_D=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TREE=$(cd "$LAB_D/../.." && pwd)
PLACES=(client box switch s1 s2 s3)
SERVERS=(1 2 3)
DEMO=/run/lb-demo-$PREFIX # record of a demo that runs
BOX=${LB_BOX:-box}; OF=${BOX#box} # which box start, stop, ctl and bgp are about; what its files' names end with
CONTROL=$STATE/state$OF/control.sock
BIG=/var/cache/lb-lab/big
BIG_OCTETS=209715200
BIG_SHA256=0c3d5ad5a300446a0efc38e319940253c2fa6e7f62ab87f6c041501ce569d292

fail() {
    echo "lab: $*" >&2
    exit 1
}

[[ $PREFIX =~ ^[a-z][a-z0-9-]{0,23}$ ]] ||
    fail "LB_LAB is \"$PREFIX\": expected at most 24 small letters, digits and dashes, a letter first"

[[ $BOX =~ ^box2?$ ]] || fail "LB_BOX is \"$BOX\": expected box or box2"

need_root() {
    [ "$(id -u)" = 0 ] || fail "network namespaces need root: run it with sudo"
}

# One lab verb at a time on a machine; what a verb starts must not inherit descriptor 9.
take_lock() {
    exec 9>/run/lb-lab.lock
    flock -w 120 9 || fail "another lab command has been at work for two minutes: see scripts/lab status"
}

inside() {
    local where=$1
    shift
    ip netns exec "$PREFIX-$where" "$@"
}

# Start time of process $1 in clock ticks since boot: together with the id it names a process for good.
birth() {
    local stat fields
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
    read -ra fields <<<"${stat##*) }"
    [ "${fields[0]}" != Z ] && echo "${fields[19]}"
}

# Whether the process that record file $1 names is still that process.
runs() {
    local pid born
    { read -r pid born <"$1"; } 2>/dev/null || return 1
    [ "$(birth "$pid")" = "$born" ]
}

# spawn NAME PLACE COMMAND...: in the background, in a session of its own, on record before it begins.
spawn() {
    local name=$1 where=$2
    shift 2
    setsid "$LAB_D/record" "$STATE/pids/$name" ip netns exec "$PREFIX-$where" "$@" \
        </dev/null >"$STATE/$name.log" 2>&1 9>&- &
}

# end SIGNAL SECONDS RECORD...: signals what the records name and waits for its end; false if it lives on.
end() {
    local signal=$1 turns=$(($2 * 20)) record pid
    shift 2
    for record in "$@"; do
        runs "$record" || continue
        read -r pid _ <"$record"
        [ "$pid" = $$ ] || kill -"$signal" "$pid" 2>/dev/null || true
    done
    for record in "$@"; do
        while runs "$record" && read -r pid _ <"$record" && [ "$pid" != $$ ]; do
            [ $((turns -= 1)) -gt 0 ] || return 1
            sleep 0.05
        done
    done
}

# until_true SECONDS COMMAND...: tries COMMAND again and again; false when time is up.
until_true() {
    local turns=$(($1 * 20))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $((turns -= 1)) -gt 0 ] || return 1
        sleep 0.05
    done
}

program() {
    local target
    [ -z "${LB_PROGRAM:-}" ] || { echo "$LB_PROGRAM"; return; }
    target=$(cd "$TREE" && cargo metadata --no-deps --offline --format-version 1 | jq -r .target_directory)
    echo "$target/release/lb-dataplane"
}
