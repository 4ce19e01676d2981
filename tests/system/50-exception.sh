#!/bin/bash
# The box's own addresses: its kernel uses the network through the worker lcores. Sourced by tests/system/run.
# shellcheck disable=SC2154  # lab and here are set there

US4=198.51.100.1 US6=2001:db8:1::1
UPLOAD_OCTETS=52428800

# A web server, and an answering machine on BGP's port, in the box's namespace. Nothing but lb-client leads to them.
box_programs() {
    local dir=$STATE/box-web
    mkdir -p "$dir"
    head -c $UPLOAD_OCTETS /dev/urandom >"$dir/upload"
    cat >"$dir/nginx.conf" <<END
daemon off;
master_process off;
pid $dir/nginx.pid;
error_log $dir/error.log warn;
events { }
http {
    access_log off;
    client_max_body_size 0;
    client_body_temp_path $dir/body;
    server { listen 80; listen [::]:80; root $dir; dav_methods PUT; location = /big { alias $BIG; } }
}
END
    spawn box-nginx box nginx -p "$dir" -c "$dir/nginx.conf"
    spawn box-echo box socat TCP-LISTEN:179,fork,reuseaddr EXEC:cat
    until_true 10 inside client curl -sf --noproxy '*' --max-time 1 "http://$US4/upload" -o /dev/null
}

device_looks_like_its_port() {
    local link
    link=$(ip -n "$PREFIX-box" -j address show dev lb-client)
    jq -c . <<<"$link"
    jq -e '.[0] | .address == "02:00:00:00:00:01" and .mtu == 1500 and (.flags | contains(["UP", "LOWER_UP"]))
        and ([.addr_info[].local] | contains(["198.51.100.1", "2001:db8:1::1"]))' <<<"$link" >/dev/null
}

# The driver of the lab's ports has the kernel put IPv4 fragments together, up to its ring's 2,048 octets.
pings() {
    local size address=$1
    shift
    for size in "$@"; do
        timeout 20 "$lab" exec client ping -q -c 3 -i 0.05 -W 2 -s "$size" "$address" | grep ' 0% packet loss' ||
            { echo "$size octets of data are lost"; return 1; }
    done
}

fetch() {
    local sum
    sum=$(timeout 90 "$lab" exec client curl -sS --noproxy '*' --max-time 80 "http://$1/big" | sha256sum)
    echo "$sum"
    [ "$sum" = "$BIG_SHA256  -" ]
}

upload() {
    local dir=$STATE/box-web
    rm -f "$dir/stored"
    timeout 90 "$lab" exec client curl -sSf --noproxy '*' --max-time 80 -T "$dir/upload" "http://$1/stored" &&
        cmp "$dir/upload" "$dir/stored"
}

# Everything that the client's port gets during a download, a ping and an upload has a right checksum, and is at most an
# MTU long, although the kernel writes 64 kB at a time.
checksums_are_right() {
    local capture=$STATE/client.pcap bad
    spawn capture client tcpdump -U -i eth0 -Q in -s 0 -c 20000 -w "$capture"
    until_true 5 grep -q 'listening on' "$STATE/capture.log"
    upload "$US4" && upload "[$US6]" && some_of "$US4" && some_of "[$US6]" && pings "$US4" 0 1 99 1473 && pings "$US6" 0 1 99 9000
    end TERM 5 "$STATE/pids/capture"
    bad=$(tshark -n -r "$capture" -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE -o ip.check_checksum:TRUE \
        -Y 'ip.checksum.status==0 or tcp.checksum.status==0 or udp.checksum.status==0 or icmp.checksum.status==0 or icmpv6.checksum.status==0' 2>/dev/null)
    tshark -n -r "$capture" 2>/dev/null | wc -l | sed 's/$/ frames looked at/'
    head -n 5 <<<"$bad"
    [ "$(tshark -n -r "$capture" -Y 'tcp.len > 1000' 2>/dev/null | wc -l)" -gt 500 ] || { echo "there is no data among them"; return 1; }
    [ "$(tshark -n -r "$capture" -T fields -e frame.len 2>/dev/null | sort -n | tail -n 1)" -le 1514 ] || { echo "longer than the MTU"; return 1; }
    [ -s "$capture" ] && [ -z "$bad" ]
}

# A megabyte of the box's.
some_of() {
    timeout 20 "$lab" exec client curl -sSf --noproxy '*' --max-time 10 -r 0-1048575 "http://$1/upload" -o /dev/null
}

ssh_and_scp() {
    local dir=$STATE/ssh options
    mkdir -p "$dir" /run/sshd
    ssh-keygen -q -t ed25519 -N '' -f "$dir/host" && ssh-keygen -q -t ed25519 -N '' -f "$dir/user" || return 1
    options=(-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -i "$dir/user")
    spawn box-sshd box "$(command -v sshd)" -D -e -f /dev/null -h "$dir/host" -o "AuthorizedKeysFile=$dir/user.pub" \
        -o StrictModes=no -o PermitRootLogin=yes -o UsePAM=no -o 'Subsystem=sftp internal-sftp'
    until_true 5 inside client ssh "${options[@]}" "$US4" true || { cat "$STATE/box-sshd.log"; return 1; }
    timeout 60 "$lab" exec client scp -q "${options[@]}" "$STATE/box-web/upload" "$US4:$dir/copy" &&
        cmp "$STATE/box-web/upload" "$dir/copy"
}

# 100 connections to port 179, one after the other, each says a line and hears it again.
sessions() {
    timeout 60 "$lab" exec client python3 - "$US4" <<'END'
import socket, sys
for number in range(100):
    with socket.create_connection((sys.argv[1], 179), timeout=10) as session:
        session.sendall(b"%d\n" % number)
        assert session.makefile().readline() == "%d\n" % number
END
}

sessions_in_a_flood() {
    local status=0
    for n in 1 2 3; do spawn "flood$n" client ping -q -f -s 56 "$US4"; done
    sessions || status=$?
    end INT 5 "$STATE"/pids/flood?
    cat "$STATE"/flood?.log
    return $status
}

sum_is_right() {
    jq '{verdicts, drops, kernel, received: ([.lcores[].received] | add)}' "$STATE/report.json"
    jq -e '.received == ([.verdicts[]] | add) and .verdicts.punted == ([.kernel[] | .up + .up_dropped] | add)
        and ([.kernel[].down] | add) == ([.lcores[].injected] | add)' "$STATE/report.json"
}

if [ ! -e /dev/net/tun ]; then
    skip "the exception path: there is no /dev/net/tun (modprobe tun)"
else
    check "the lab comes up for the exception path" timeout 120 "$lab" up --owner $$
    check "lb-dataplane starts with an exception path" timeout 60 "$lab" start -- --exception tap
    check "the kernel's device has its port's MAC, MTU, addresses and carrier" device_looks_like_its_port
    check "programs in the box are reached through it" box_programs
    check "the box answers ping over IPv4, 0 to 1,900 octets" pings "$US4" 0 1 18 56 1472 1473 1900
    check "the box answers ping over IPv6, 0 to 9,000 octets" pings "$US6" 0 1 18 56 1452 1453 4000 9000
    check "200 MB arrive whole from the box, IPv4" fetch "$US4"
    check "200 MB arrive whole from the box, IPv6" fetch "[$US6]"
    check "50 MB arrive whole in the box, IPv4" upload "$US4"
    check "50 MB arrive whole in the box, IPv6" upload "[$US6]"
    if command -v tshark >/dev/null; then
        check "no frame from the box has a wrong checksum" checksums_are_right
    else
        skip "checksums of the box's frames: needs tshark"
    fi
    if command -v sshd >/dev/null; then
        check "ssh and scp work" ssh_and_scp
    else
        skip "ssh to the box: needs sshd (package openssh-server)"
    fi
    check "a flood of pings leaves sessions on port 179 alone" sessions_in_a_flood
    check "services go on beside it" timeout 20 "$lab" exec client curl -sf --noproxy '*' --max-time 10 http://192.0.2.10/
    skip "the port's link on the kernel's device: net_af_packet does not tell it (lb-dataplane/tests/exchange_kernel.rs)"
    check "the program ends with status 0" timeout 30 "$lab" stop
    check "the counters add up, up and down" sum_is_right
fi
