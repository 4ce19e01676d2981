#!/bin/bash
# What the exception path carries, beside what, and in a flood; it prints figures. Sourced by tests/system/run.
# On a machine that does other things as well they say little, so only a collapse fails; LB_EXCEPTION_STRICT=1, for a
# quiet machine, asserts what is aimed at. How much a transfer gets: 57-af-xdp.sh.
# shellcheck disable=SC2154  # lab and here are set there
# shellcheck source-path=SCRIPTDIR

# Part of the service traffic lost, hundred-thousandths of a CPU.
MOST_EFFECT=0.9 MOST_IDLE=10000
[ -z "${LB_EXCEPTION_STRICT:-}" ] || MOST_EFFECT=0.02 MOST_IDLE=1000
# The lab's own way to make namespaces and links.
# shellcheck source=../../scripts/lab.d/up.sh
. "$LAB_D/up.sh"
# shellcheck source=../../scripts/lab.d/box.sh
. "$LAB_D/box.sh"
# shellcheck source=../../scripts/lab.d/limits.sh
. "$LAB_D/limits.sh"
# shellcheck source=../../scripts/lab.d/agents.sh
. "$LAB_D/agents.sh"
# shellcheck source=paced
. "$here/paced"
# shellcheck source=transfers
. "$here/transfers"

# far, behind the client, which routes: 1,300 octets on the way there, 1,400 on the way to the box.
far_network() {
    iperf_server || return 1
    namespace far
    wire far eth0 02:00:00:00:0a:01 client far 02:00:00:00:0a:02
    address far eth0 10.7.0.2/24 2001:db8:7::2/64
    address client far 10.7.0.1/24 2001:db8:7::1/64
    ip -n "$PREFIX-far" route add default via 10.7.0.1
    ip -n "$PREFIX-far" route add default via 2001:db8:7::1
    ip -n "$PREFIX-client" route add 10.7.0.2/32 dev far mtu lock 1300
    ip -n "$PREFIX-client" route add 2001:db8:7::2/128 dev far mtu lock 1300
    ip -n "$PREFIX-client" route add $US4/32 dev eth0 mtu lock 1400
    ip -n "$PREFIX-client" route add $US6/128 dev eth0 mtu lock 1400
    inside client sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    ip -n "$PREFIX-box" route add 10.7.0.0/24 via 198.51.100.2 dev lb-client
    ip -n "$PREFIX-box" route add 2001:db8:7::/64 via 2001:db8:1::2 dev lb-client
    until_true 10 inside far ping -c 1 -W 1 $US4 && until_true 10 inside far ping -c 1 -W 1 $US6
}

# path_mtu PLACE ADDRESS: what the kernel there believes.
path_mtu() {
    ip -n "$PREFIX-$1" -j route get "$2" | jq -r '.[0].metrics[0].mtu // "unknown"'
}

# discovers FAR US: megabytes both ways, which are cut off by the routers' MTU until both ends have heard of it.
discovers() {
    iperf far -c "$2" -n 4M || { echo "nothing arrives in the box"; return 1; }
    iperf far -c "$2" -n 4M -R || { echo "nothing arrives from the box"; return 1; }
    echo "$2: far believes in $(path_mtu far "$2"), the box in $(path_mtu box "$1")"
    [ "$(path_mtu far "$2")" = 1400 ] && [ "$(path_mtu box "$1")" = 1300 ]
}

sends_tagged() {
    ip -n "$PREFIX-box" link add link lb-client name tag7 up type vlan id 7 || return 1
    spawn tagged client tcpdump -c 1 -ni eth0 vlan 7 and arp
    until_true 5 grep -q 'listening on' "$STATE/tagged.log"
    ip -n "$PREFIX-box" address add 10.77.0.1/24 dev tag7
    inside box ping -c 1 -W 1 10.77.0.2 >/dev/null
    until_true 5 grep -q '^1 packet captured' "$STATE/tagged.log" || { cat "$STATE/tagged.log"; return 1; }
}

# more_ports KIND: service traffic in, and nothing out of the sink. saturating: as much as the lcore takes. flood: besides, as
# much to the box's own address. paced: a million packets a second, from a source that starts later.
more_ports() {
    "$here/loads" capture service "$STATE/service.pcap" 02:70:63:61:70:00
    "$here/loads" capture own "$STATE/own.pcap" 02:70:63:61:70:01
    case $1 in
    paced) memif 0 service 02:70:63:61:70:00 ;;
    *) echo "--vdev=net_pcap0,rx_pcap=$STATE/service.pcap,infinite_rx=1" ;;
    esac >"$STATE/vdevs"
    echo "--vdev=net_null0,no-rx=1" >>"$STATE/vdevs"
    [ "$1" != flood ] || echo "--vdev=net_pcap1,rx_pcap=$STATE/own.pcap,infinite_rx=1" >>"$STATE/vdevs"
    with_load "$1" <"$STATE/plain.json" >"$STATE/lb.json"
    timeout 60 "$lab" start -- --exception tap --run-for 600
}

# A web server for both families, an answering machine on BGP's port, and sshd; beside the worker lcore, as the control
# processor's programs are.
small_programs() {
    local dir=$STATE/box-www address
    mkdir -p "$dir" "$STATE/ssh" /run/sshd
    head -c 4096 /dev/zero >"$dir/page"
    for address in $US4 $US6; do
        spawn "box-www-$address" box taskset -c "$(other_cpus)" python3 -m http.server --bind "$address" --directory "$dir" 80
    done
    spawn box-bgp box taskset -c "$(other_cpus)" socat TCP-LISTEN:179,fork,reuseaddr EXEC:cat
    for address in $US4 "[$US6]"; do
        until_true 10 inside client curl -gsf --noproxy '*' --max-time 1 "http://$address/page" -o /dev/null || return 1
    done
}

# A megabyte goes to the box by COPY.
serves_ssh() {
    local dir=$STATE/ssh
    head -c 1048576 /dev/urandom >"$dir/original"
    ssh-keygen -q -t ed25519 -N '' -f "$dir/host" && ssh-keygen -q -t ed25519 -N '' -f "$dir/user" || return 1
    spawn box-sshd box taskset -c "$(other_cpus)" "$(command -v sshd)" -D -e -f /dev/null -h "$dir/host" \
        -o "AuthorizedKeysFile=$dir/user.pub" -o StrictModes=no -o PermitRootLogin=yes -o UsePAM=no -o 'Subsystem=sftp internal-sftp'
    until_true 10 inside client sh -c "$COPY" || { cat "$STATE/box-sshd.log"; return 1; }
}

# effect_of NAME MOST: what pings, downloads and copies, by turns with silence, do to what the sink is sent.
effect_of() {
    local found
    found=$(timeout 90 "$lab" exec client "$here/loads" effect "$CONTROL" 3 "$(other_cpus)" "${COPY:-}" $US4 $US6) || { echo "$found"; return 1; }
    jq -r --arg name "$1" '"\($name): \(.packets_per_second_without) packets/s alone, \(.packets_per_second_beside) beside pings, downloads and copies, effect \(.effect * 10000 | round / 100) %; \(.pings) pings, \(.pings_lost) lost"' \
        <<<"$found" | tee -a "$STATE/figures"
    jq -r .packets_per_second_without <<<"$found" >"$STATE/alone"
    jq -e --argjson most "$2" --arg copy "${COPY:-}" '.pings_lost == 0 and .downloads > 5 and .effect <= $most and ($copy == "" or .copies == .turns)' <<<"$found"
}

# With a lcore that is never idle each frame of the exception path costs some service traffic: said, not held to 2 %.
little_effect() {
    effect_of "service traffic, as much as the lcore takes" 0.9 && mv "$STATE/alone" "$STATE/service-alone"
}

no_effect() {
    local sent
    source_starts service service=service=1 || return 1
    effect_of "service traffic, a million packets/s (aim: 2 %)" $MOST_EFFECT || return 1
    sent=$(source_ends service) || return 1
    echo "the source: $sent" | tee -a "$STATE/figures"
    jq -e '.[0].sent > 1000000' <<<"$sent"
}

survives_a_flood() {
    local found alone
    alone=$(<"$STATE/service-alone")
    found=$(timeout 60 "$lab" exec client "$here/loads" flood "$CONTROL" 2,4 $US4) || { echo "$found"; return 1; }
    # All of the worker lcore's time goes to the two ports: what the flood takes of it is what the service lost.
    jq -r --argjson alone "$alone" '.packets_per_second as {"2": $service, "4": $flood} |
        "flood of the own address: \($flood) packets/s, beside it \($service) of service traffic (\($alone) alone), so that a million a second take \(if $flood > 0 then (1 - $service / $alone) / $flood * 1e8 | round else 0 end) % of a lcore; \(.keepalives) keepalives on port 179, answered after \(.answered_after_ms_median) ms, worst \(.answered_after_ms_worst) ms"' \
        <<<"$found" | tee -a "$STATE/figures"
    jq -e '.packets_per_second["4"] > 100000 and .packets_per_second["2"] > 100000' <<<"$found"
}

flood_is_counted() {
    jq -c '{verdicts, drops, kernel}' "$STATE/report.json"
    jq -e '.received == ([.verdicts[]] | add) and .verdicts.punted == ([.kernel[] | .up + .up_dropped] | add)
        and ([.kernel[].down] | add) >= ([.lcores[].injected] | add) and .drops.punt_rate > 0' "$STATE/report.json"
}

# idle_cost: part of a CPU that the interface daemon takes when nothing happens, over five seconds.
idle_cost() {
    local box _ task before after
    read -r box _ <"$STATE/pids/box"
    for task in "/proc/$box/task/"*; do
        [ "$(<"$task/comm")" != lb-interface-da ] || break
    done
    # Frames of before are over, and the pauses have their length.
    sleep 1
    read -r before _ <"$task/schedstat"
    sleep 5
    read -r after _ <"$task/schedstat"
    echo "idle: the interface daemon takes $(((after - before) / 50000))e-5 of a CPU (aim: 1000e-5)" | tee -a "$STATE/figures"
    [ $(((after - before) / 50000)) -lt $MOST_IDLE ]
}

# Round trips once a second, as after a silence, and in a conversation.
wake_up() {
    local every
    for every in 0.5 0.05 0.002; do
        echo "ping every $every s: $(timeout 30 "$lab" exec client ping -q -i "$every" -c "$(awk "BEGIN { print $every == 0.5 ? 6 : 30 }")" -W 2 $US4 | sed -n 's/^rtt //p')" | tee -a "$STATE/figures"
    done
    [ "$(grep -c '^ping every.*ms' "$STATE/figures")" = 3 ]
}

if [ ! -e /dev/net/tun ]; then
    skip "the exception path under load: there is no /dev/net/tun (modprobe tun)"
elif ! command -v iperf3 >/dev/null; then
    skip "the exception path under load: needs iperf3"
else
    check "the lab comes up for load" timeout 120 "$lab" up --owner $$
    cp "$STATE/lb.json" "$STATE/plain.json"
    check "lb-dataplane chooses a driver and says so" timeout 60 "$lab" start
    check "the line at the start says which and why" grep -E '^exception path: (virtio-user|tap), since ' "$STATE/box.log"
    check "a network behind a router" far_network
    check "path MTU discovery works both ways, IPv4" discovers 10.7.0.2 $US4
    check "path MTU discovery works both ways, IPv6" discovers 2001:db8:7::2 $US6
    if unshare --net sh -c 'ip link add d0 type dummy && ip link add link d0 name d7 type vlan id 7' 2>/dev/null; then
        check "a VLAN on top of the kernel's device sends tagged frames" sends_tagged
    else
        skip "tagged frames from the box: this kernel has no VLANs (modprobe 8021q)"
    fi
    check "round trips in a conversation and after a silence" wake_up
    check "the daemon sleeps when nothing happens" idle_cost
    check "the program ends with status 0 after it" timeout 30 "$lab" stop
    check "lb-dataplane starts with a port that never pauses" more_ports saturating
    check "small programs answer" small_programs
    COPY=""
    if command -v sshd >/dev/null; then
        COPY="scp -q -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -i $STATE/ssh/user"
        COPY+=" $STATE/ssh/original [$US6]:$STATE/ssh/copy 2>/dev/null && cmp $STATE/ssh/original $STATE/ssh/copy"
        check "sshd answers" serves_ssh
    else
        skip "copies to the box: needs sshd (package openssh-server)"
    fi
    check "pings, downloads and copies lose nothing beside all that a lcore can do" little_effect
    check "the program ends with status 0 under load" timeout 30 "$lab" stop
    if has_source; then
        check "lb-dataplane starts with a port for a million packets a second" more_ports paced
        check "pings, downloads and copies lose nothing beside a million packets a second, and take nothing from them" no_effect
        check "the program ends with status 0 after a million packets a second" timeout 30 "$lab" stop
    else
        skip "service traffic at an even rate: needs lb-bench-source beside lb-dataplane (cargo build --release -p lb-bench)"
    fi
    check "lb-dataplane starts with a flood of its own address" more_ports flood
    check "a session on port 179 stays up, and services go on" survives_a_flood
    check "the program ends with status 0 in a flood" timeout 30 "$lab" stop
    check "what the flood cost is counted" flood_is_counted
    sed 's/^/    /' "$STATE/figures"
fi
