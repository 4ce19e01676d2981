#!/bin/bash
# Ports driven by net_af_xdp: services, the exception path, a restart, and how much of a pair of links a transfer to a program
# in the box gets. Sourced by tests/system/run.
# On a machine that does other things as well only a collapse fails; LB_EXCEPTION_STRICT=1, for a quiet machine, asserts what is
# aimed at, and measures net_af_packet beside it, which does not reach it.
# shellcheck disable=SC2154  # lab and here are set there
# shellcheck source-path=SCRIPTDIR
# shellcheck source=transfers
. "$here/transfers"

LEAST=0.05
[ -z "${LB_EXCEPTION_STRICT:-}" ] || LEAST=0.5

# What this machine lacks for AF_XDP; nothing when all is there.
lacks_af_xdp() {
    ls "$(pkg-config --variable=libdir libdpdk)"/dpdk/pmds-*/librte_net_af_xdp.so >/dev/null 2>&1 || { echo "DPDK's net_af_xdp: run scripts/setup"; return; }
    python3 -c 'import socket; socket.socket(44, socket.SOCK_RAW, 0)' 2>/dev/null || echo "AF_XDP in the kernel (CONFIG_XDP_SOCKETS)"
}

server_and_pair() {
    iperf_server && direct_pair
}

start_again() {
    timeout 30 "$lab" stop && timeout 60 "$lab" start --af-xdp -- --exception tap
}

# The kernel still has the program of the one that was killed on its links.
killed_and_started() {
    local pid _
    read -r pid _ <"$STATE/pids/box"
    kill -KILL "$pid"
    until_true 5 gone box || return 1
    timeout 60 "$lab" start --af-xdp -- --exception tap && services_answer
}

gone() {
    ! runs "$STATE/pids/$1"
}

services_answer() {
    timeout --foreground 60 "$lab" exec client "$LAB_D/requests" --requests 2000 --parallel 32 \
        web4=192.0.2.10 web6=2001:db8:10::10 direct4=192.0.2.20 direct6=2001:db8:10::20
}

box_answers_ping() {
    inside client ping -q -c 5 -i 0.05 -W 2 $US4 && inside client ping -q -c 5 -i 0.05 -W 2 $US6
}

# frames_are_right ADDRESS: of a transfer from it, whatever the kernel left to be cut and summed.
frames_are_right() {
    local capture=$STATE/transfer.pcap bad count
    rm -f "$capture"
    spawn capture client tcpdump -U -i eth0 -Q in -s 0 -c 4000 -w "$capture"
    until_true 5 grep -q 'listening on' "$STATE/capture.log" && transfer "$1" -R && until_true 5 gone capture || return 1
    count=$(tshark -n -r "$capture" -Y 'tcp.len > 1000 and frame.len <= 1514' 2>/dev/null | wc -l)
    bad=$(tshark -n -r "$capture" -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE \
        -Y 'ip.checksum.status==0 or tcp.checksum.status==0 or frame.len > 1514' 2>/dev/null)
    echo "$count segments"
    head -n 5 <<<"$bad"
    [ "$count" -gt 2000 ] && [ -z "$bad" ]
}

# A frame of VLAN 7 goes to the kernel's device with its tag, for a VLAN device on top of it.
tagged_arrives() {
    spawn tagged box tcpdump -c 1 -ni lb-client vlan 7 and arp
    until_true 5 grep -q 'listening on' "$STATE/tagged.log" || return 1
    inside client python3 -c 'import socket
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind(("eth0", 0))
link.send(bytes.fromhex("ffffffffffff 020000000201 8100 0007 0806 0001 0800 0604 0001 020000000201 0a4d0002 000000000000 0a4d0001").ljust(60, b"\0"))'
    until_true 5 grep -q '^1 packet captured' "$STATE/tagged.log" || { cat "$STATE/tagged.log"; return 1; }
}

adds_up() {
    grep 'net_af_xdp has kept [0-9]* mbufs' "$STATE/box.log" && report_adds_up
}

lack=$(lacks_af_xdp)
if [ -n "$lack" ]; then
    skip "ports with net_af_xdp: $lack"
elif [ ! -e /dev/net/tun ]; then
    skip "ports with net_af_xdp: there is no /dev/net/tun (modprobe tun)"
else
    check "the lab comes up for AF_XDP" timeout 120 "$lab" up --owner $$
    check "lb-dataplane starts with the lab's driver" timeout 60 "$lab" start -- --exception tap
    check "a program in the box, and a pair of links without lb-dataplane in between" server_and_pair
    [ -z "${LB_EXCEPTION_STRICT:-}" ] ||
        check "transfers to the box over net_af_packet" half_of_the_pair net_af_packet 0.05
    check "it starts again with net_af_xdp" start_again
    check "services over both families answer through AF_XDP ports" services_answer
    check "the box answers ping through them" box_answers_ping
    check "a tagged frame reaches the kernel's device" tagged_arrives
    check "the exception path carries a good part of what the pair does" half_of_the_pair net_af_xdp $LEAST
    if command -v tshark >/dev/null; then
        check "a transfer's frames have the MTU's length at most, and right checksums, IPv4" frames_are_right $US4
        check "a transfer's frames have the MTU's length at most, and right checksums, IPv6" frames_are_right $US6
    else
        skip "checksums of a transfer's frames: needs tshark"
    fi
    check "the next process takes the links over from one that was killed" killed_and_started
    check "it ends with status 0" timeout 30 "$lab" stop
    check "every packet received has one verdict; what the driver keeps is said" adds_up
    sed 's/^/    /' "$STATE/figures" 2>/dev/null || true
fi
