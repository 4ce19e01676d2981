#!/bin/bash
# Fig. 7: the control processor as a server behind the internal switch, with a NIC of its own. Sourced by tests/system/run.
# shellcheck disable=SC2154  # lab and here are set there
# shellcheck source-path=SCRIPTDIR
# shellcheck source=routers
. "$here/routers"

OWN=(192.0.2.30 '[2001:db8:10::30]')

# A web server of the control processor's, on its own NIC's addresses and on no other.
own_program() {
    local dir=$STATE/own
    mkdir -p "$dir"
    cat >"$dir/nginx.conf" <<END
daemon off;
master_process off;
pid $dir/nginx.pid;
error_log $dir/error.log warn;
events { }
http {
    access_log off;
    server {
        listen 10.0.0.100:80; listen [2001:db8:2::100]:80;
        location = / { return 200 "control\n"; }
        location = /big { alias $BIG; }
    }
}
END
    spawn own-nginx box nginx -p "$dir" -c "$dir/nginx.conf"
    until_true 10 inside box curl -sf --noproxy '*' --max-time 1 http://10.0.0.100/
}

control_answers() {
    local address said
    for address in "${OWN[@]}"; do
        said=$(fetched "http://$address/")
        echo "$address: $said"
        [ "$said" = control ] || return 1
    done
}

# sent DEVICE: octets that the box's kernel has sent over it.
sent() {
    ip -n "$PREFIX-box" -j -s link show dev "$1" | jq '.[0].stats64.tx.bytes'
}

# Through the VIP, and back by the NIC that it came to: the kernel has the client's network on lb-client too.
download_goes_back_by_its_nic() {
    local address=$1 sum internal client
    internal=$(sent internal) client=$(sent lb-client)
    sum=$(timeout 90 "$lab" exec client curl -sS --noproxy '*' --max-time 80 "http://$address/big" | sha256sum)
    internal=$(($(sent internal) - internal)) client=$(($(sent lb-client) - client))
    echo "$sum: $internal octets over internal, $client over lb-client"
    [ "$sum" = "$BIG_SHA256  -" ] && [ "$internal" -gt "$BIG_OCTETS" ] && [ "$client" -lt 100000 ]
}

# What the manual warns of: the kernel has the client's network on lb-client.
rule_is_needed() {
    local said
    ip -n "$PREFIX-box" rule del from 10.0.0.100 lookup 100 || return 1
    said=$(timeout 10 "$lab" exec client curl -s --noproxy '*' --max-time 1 http://192.0.2.30/ || true)
    ip -n "$PREFIX-box" rule add from 10.0.0.100 lookup 100 && [ -z "$said" ] && control_answers
}

# Both ways pass the switching processors: the service has counted the download's packets.
service_counts() {
    ctl services --json | jq -e '[.services[] | select(.name == "own4" or .name == "own6") | .octets] | min > 200000000' ||
        { ctl services; return 1; }
}

if ! has_lbctl; then
    skip "the first embodiment: needs lbctl beside lb-dataplane (cargo build --release)"
else
    check "the lab comes up with a NIC of the box's own at the switch" timeout 120 "$lab" up --internal --owner $$
    check "lb-dataplane starts without an exception path" timeout 60 "$lab" start -- --exception none
    check "a program of the control processor's runs" own_program
    check "the control processor is a backend like others" control_answers
    check "lb-dataplane ends with status 0" timeout 30 "$lab" stop
    if [ -e /dev/net/tun ]; then
        check "lb-dataplane starts with an exception path beside it" timeout 60 "$lab" start -- --exception tap
        check "beside an exception path it is one, too" control_answers
        check "200 MB go back by the NIC that the question came to, IPv4" download_goes_back_by_its_nic "${OWN[0]}"
        check "200 MB go back by the NIC that the question came to, IPv6" download_goes_back_by_its_nic "${OWN[1]}"
        check "without the policy rule an answer takes the other way, and the client never hears it" rule_is_needed
        check "all of it passed the worker lcores" service_counts
        check "the box's own addresses are reached by the exception path as ever" timeout 10 "$lab" exec client ping -q -c 3 -i 0.2 -W 2 198.51.100.1
        check "the program ends with status 0" timeout 30 "$lab" stop
    else
        skip "the first embodiment beside an exception path: there is no /dev/net/tun (modprobe tun)"
    fi
fi
