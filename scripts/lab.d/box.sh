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

# Real hugepages when 512 MB of them are free and mounted.
memory() {
    local free
    free=$(awk '/^HugePages_Free:/ { n = $2 } /^Hugepagesize:/ { kb = $2 } END { print n * kb / 1024 }' /proc/meminfo)
    if grep -q ' hugetlbfs ' /proc/mounts && [ "${free%.*}" -ge 512 ]; then
        echo "-m 512"
    else
        echo "--no-huge -m 512"
    fi
}

# eal: EAL options for the box, one a line. 4,096 frames of ring let a port wait for a busy CPU.
eal() {
    local port number=0
    printf '%s\n' --lcores "$(lcores)"
    memory | tr ' ' '\n'
    printf '%s\n' --no-pci --file-prefix "$PREFIX"
    for port in client server; do
        if [ "$port" = client ] && [ -e "$STATE/one-armed" ]; then continue; fi
        echo "--vdev=net_af_packet$number,iface=$port,framecnt=4096"
        number=$((number + 1))
    done
}

box_answers() {
    ! runs "$STATE/pids/box" || inside client curl -sf --noproxy '*' --max-time 1 http://192.0.2.10/
}

lab_start() {
    local file args ports=0,1
    [ -d "$STATE" ] || fail "$PREFIX is down: run scripts/lab up first"
    [ "${1:-}" != -- ] || shift
    ! runs "$STATE/pids/box" || fail "the box runs already: scripts/lab stop ends it"
    file=$(program)
    [ -x "$file" ] || fail "there is no program $file: build it with cargo build --release"
    # A program that was killed still holds its hugepages.
    remove_dpdk_files
    mapfile -t args < <(eal)
    [ ! -e "$STATE/one-armed" ] || ports=0
    args+=(-- --ports "$ports" --config "$STATE/lb.json" --report "$STATE/report.json" --state "$STATE/state" "$@")
    rm -f "$STATE/box.exit" "$STATE/report.json" "$STATE/pids/box"
    echo "lab: box runs $file ${args[*]}"
    # The outer shell outlives the program only to write down its exit status.
    # shellcheck disable=SC2016
    setsid bash -c '"${@:2}"; echo $? >"$1"' box "$STATE/box.exit" \
        "$LAB_D/record" "$STATE/pids/box" ip netns exec "$PREFIX-box" "$file" "${args[@]}" \
        </dev/null >"$STATE/box.log" 2>&1 9>&- &
    until_true 5 test -s "$STATE/pids/box"
    until_true 20 box_answers || echo "lab: the box runs, but no answer came through 192.0.2.10" >&2
    if ! runs "$STATE/pids/box"; then
        tail -n 20 "$STATE/box.log" >&2
        fail "the program ended at start; its output is in $STATE/box.log"
    fi
}

lab_stop() {
    [ $# -eq 0 ] || fail "stop takes no option, not \"$1\""
    [ -e "$STATE/pids/box" ] || fail "the box was not started"
    if ! end TERM 10 "$STATE/pids/box"; then
        end KILL 5 "$STATE/pids/box" || true
        fail "the program did not end within 10 s of SIGTERM and was killed"
    fi
    until_true 5 test -s "$STATE/box.exit" || fail "the program's exit status is not known"
    local status
    status=$(<"$STATE/box.exit")
    echo "lab: the program ended with status $status; report in $STATE/report.json"
    return "$status"
}
