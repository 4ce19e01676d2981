#!/bin/bash
# CPU quotas of the servers, by control groups of version 1 or 2. Sourced by scripts/lab.
# shellcheck source=common.sh

# Short, so that a server at its limit is slow and not stopped: of the kernel's own 100 ms p99 would show nothing else.
PERIOD_US=20000
# Of eight ordinary processes: what keeps a server from its quota is the quota, and nothing else on this machine.
SHARES=8192 WEIGHT=800

# group DIRECTORY: made by us and on record, or refused.
group() {
    [ ! -e "$1" ] || fail "control group $1 exists and is not ours: remove it, or choose another LB_LAB"
    echo "$1" >>"$STATE/groups"
    mkdir "$1" || fail "this machine lets us make no control group $1: quotas cannot be set"
}

# Where control groups of version 1 with controller $1 are mounted; nothing where they are not.
hierarchy() {
    awk -v want="$1" '$3 == "cgroup" && ("," $4 ",") ~ "," want "," { print $2; exit }' /proc/mounts
}

# limit_v1 NAME QUOTA: time is limited in one hierarchy and counted in another, which may be the same one.
limit_v1() {
    local cpu cpuacct
    cpu=$(hierarchy cpu) cpuacct=$(hierarchy cpuacct)
    if [ ! -d "$cpu/${1%/*}" ]; then
        group "$cpu/${1%/*}"
        echo $SHARES >"$cpu/${1%/*}/cpu.shares"
    fi
    [ -d "$cpuacct/${1%/*}" ] || group "$cpuacct/${1%/*}"
    group "$cpu/$1"
    [ -d "$cpuacct/$1" ] || group "$cpuacct/$1"
    echo $PERIOD_US >"$cpu/$1/cpu.cfs_period_us"
    echo "$2" >"$cpu/$1/cpu.cfs_quota_us"
    into=("$cpu/$1" "$cpuacct/$1") usage=$cpuacct/$1/cpuacct.usage
}

# limit_v2 NAME QUOTA. A controller that was off in the root is off again when the lab is down.
limit_v2() {
    local root
    root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
    [ -n "$root" ] || fail "CPU quotas need control groups, and none are mounted"
    if ! grep -qw cpu "$root/cgroup.subtree_control"; then
        echo "$root/cgroup.subtree_control" >"$STATE/groups.controller"
        echo +cpu >"$root/cgroup.subtree_control" || fail "the control groups of this machine have no controller cpu"
    fi
    if [ ! -d "$root/${1%/*}" ]; then
        group "$root/${1%/*}"
        echo $WEIGHT >"$root/${1%/*}/cpu.weight"
        echo +cpu >"$root/${1%/*}/cgroup.subtree_control"
    fi
    group "$root/$1"
    echo "$2 $PERIOD_US" >"$root/$1/cpu.max"
    into=("$root/$1") usage=$root/$1/cpu.stat
}

# CPUs that no worker lcore polls on, if there are any: two that want one CPU would share it evenly.
other_cpus() {
    local workers
    mapfile -t workers < <(lcores | tr , '\n' | sed -n 's/^[1-9].*@//p')
    python3 -c 'import os, sys; all = os.sched_getaffinity(0); print(*sorted(all - set(map(int, sys.argv[1:])) or all), sep=",")' "${workers[@]}"
}

# limit_servers QUOTA...: server n may use that much of one CPU; 0.1 is a tenth.
limit_servers() {
    [[ "$*" =~ ^(0\.[0-9]+ ?){3}$ ]] || fail "--quotas is \"$*\": expected three parts of a CPU, as in \"0.1 0.2 0.4\""
    local n=0 quota name us version=2 into=() usage="" directory pid cpus
    cpus=$(other_cpus)
    [ -z "$(hierarchy cpu)" ] || version=1
    for quota in "$@"; do
        n=$((n + 1))
        name=lb-lab-$PREFIX/s$n us=$(awk "BEGIN { print int($quota * $PERIOD_US + 0.5) }")
        "limit_v$version" "$name" "$us"
        read -r pid _ <"$STATE/pids/s$n-nginx"
        taskset -pc "$cpus" "$pid" >/dev/null
        for directory in "${into[@]}"; do echo "$pid" >"$directory/cgroup.procs"; done
        # Server, quota, its group in the words of lb-agent, and the file that says how much time it has used.
        echo "s$n $quota $name $usage" >>"$STATE/limits"
    done
}

# Groups can go when nobody is in them any more, and those inside first.
unlimit_servers() {
    local directory
    [ -e "$STATE/groups" ] || return 0
    while read -r directory; do
        [ ! -d "$directory" ] || until_true 5 rmdir "$directory" || fail "control group $directory cannot be removed: somebody is in it"
    done < <(tac "$STATE/groups")
    [ ! -e "$STATE/groups.controller" ] || echo -cpu >"$(<"$STATE/groups.controller")"
}
