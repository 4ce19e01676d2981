#!/bin/bash
# scripts/lab start and stop: the program in the box. Sourced by scripts/lab.
# shellcheck source=common.sh

# One control lcore and one worker lcore per port, as far as the CPUs that we may use reach.
lcores() {
    local cpus
    mapfile -t cpus < <(python3 -c 'import os; print(*sorted(os.sched_getaffinity(0)), sep="\n")')
    case ${#cpus[@]} in
    1) echo "(0,1)@${cpus[0]}" ;;
    2 | 3) echo "0@${cpus[0]},1@${cpus[1]}" ;;
    *) echo "0@${cpus[0]},1@${cpus[1]},2@${cpus[2]}" ;;
    esac
}

# Real hugepages when 512 MB of them are free, nobody's already, and mounted.
memory() {
    local free
    free=$(awk '/^HugePages_Free:/ { n += $2 } /^HugePages_Rsvd:/ { n -= $2 } /^Hugepagesize:/ { kb = $2 } END { print n * kb / 1024 }' /proc/meminfo)
    if grep -q ' hugetlbfs ' /proc/mounts && [ "${free%.*}" -ge 512 ]; then
        echo "-m 512"
    else
        echo "--no-huge -m 512"
    fi
}

# eal DRIVER: EAL options for the box, one a line. 4,096 frames of ring let a port wait for a busy CPU. net_af_xdp would make
# a system call for each look into an empty ring, on a kernel that could then poll a NIC; a veth is none.
eal() {
    local port number=0 options=framecnt=4096
    [ "$1" != net_af_xdp ] || options=busy_budget=0
    printf '%s\n' --lcores "$(lcores)"
    memory | tr ' ' '\n'
    printf '%s\n' --no-pci --file-prefix "$PREFIX$OF"
    for port in client server; do
        if [ "$port" = client ] && [ -e "$STATE/one-armed" ]; then continue; fi
        echo "--vdev=$1$number,iface=$port,$options"
        number=$((number + 1))
    done
    # Ports that a test adds, one a line.
    [ ! -e "$STATE/vdevs" ] || cat "$STATE/vdevs"
}

# Through routers nothing comes before they know the way: there the API's answer is enough.
box_answers() {
    ! runs "$STATE/pids/$BOX" || if [ -e "$STATE/router" ]; then
        curl -sf --noproxy '*' --max-time 1 --unix-socket "$CONTROL" http://localhost/v1/status
    else
        inside client curl -sf --noproxy '*' --max-time 1 http://192.0.2.10/
    fi
}

lab_start() {
    local file args ports=0,1 driver=net_af_packet
    [ -d "$STATE" ] || fail "$PREFIX is down: run scripts/lab up first"
    [ "${1:-}" != --af-xdp ] || { driver=net_af_xdp; shift; }
    [ "${1:-}" != -- ] || shift
    [ -e "/run/netns/$PREFIX-$BOX" ] || fail "there is no $BOX: scripts/lab up --router builds two boxes"
    ! runs "$STATE/pids/$BOX" || fail "the box runs already: scripts/lab stop ends it"
    file=$(program)
    [ -x "$file" ] || fail "there is no program $file: build it with cargo build --release"
    # The status of a program that was killed is on its way, and would pass for this one's.
    [ ! -e "$STATE/pids/$BOX" ] || until_true 5 test -s "$STATE/$BOX.exit" || true
    # It still holds its hugepages.
    remove_dpdk_files "$BOX"
    mapfile -t args < <(eal "$driver")
    [ ! -e "$STATE/one-armed" ] || ports=0
    [ ! -e "$STATE/vdevs" ] || ports=$(grep -c '^--vdev=' < <(printf '%s\n' "${args[@]}") | awk '{ for (n = 0; n < $1; n++) printf "%s%d", n ? "," : "", n }')
    args+=(-- --ports "$ports" --config "$STATE/lb$OF.json" --report "$STATE/report$OF.json" --state "$STATE/state$OF" "$@")
    rm -f "$STATE/$BOX.exit" "$STATE/report$OF.json" "$STATE/pids/$BOX"
    echo "lab: $BOX runs $file ${args[*]}"
    # The outer shell outlives the program only to write down its exit status.
    # shellcheck disable=SC2016
    setsid bash -c '"${@:2}"; echo $? >"$1"' box "$STATE/$BOX.exit" \
        "$LAB_D/record" "$STATE/pids/$BOX" ip netns exec "$PREFIX-$BOX" "$file" "${args[@]}" \
        </dev/null >"$STATE/$BOX.log" 2>&1 9>&- &
    until_true 5 test -s "$STATE/pids/$BOX"
    until_true 20 box_answers || echo "lab: the box runs, but no answer came" >&2
    if ! runs "$STATE/pids/$BOX"; then
        tail -n 20 "$STATE/$BOX.log" >&2
        fail "the program ended at start; its output is in $STATE/$BOX.log"
    fi
}

lab_stop() {
    [ $# -eq 0 ] || fail "stop takes no option, not \"$1\""
    [ -e "$STATE/pids/$BOX" ] || fail "the box was not started"
    if ! end TERM 10 "$STATE/pids/$BOX"; then
        end KILL 5 "$STATE/pids/$BOX" || true
        fail "the program did not end within 10 s of SIGTERM and was killed"
    fi
    until_true 5 test -s "$STATE/$BOX.exit" || fail "the program's exit status is not known"
    local status
    status=$(<"$STATE/$BOX.exit")
    echo "lab: the program ended with status $status; report in $STATE/report$OF.json"
    return "$status"
}
