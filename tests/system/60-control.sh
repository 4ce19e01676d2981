#!/bin/bash
# lbctl acts on real traffic. Sourced by tests/system/run.
# shellcheck disable=SC2154  # lab and here are set there; s1, s2 and s3 by served
# shellcheck source-path=SCRIPTDIR
# shellcheck source=control
. "$here/control"

shows() {
    ctl status && ctl services web4 && ctl backends web4 && ctl ports && ctl neighbors && ctl top --count 1 >"$STATE/top" || return 1
    cat "$STATE/top"
    grep -q web4 "$STATE/top" && grep -q s3 "$STATE/top"
}

weight_acts() {
    ctl weight web4/s1 300 && served 1000 && ctl weight web4/s1 100 || return 1
    [ "$s1" -ge 570 ] && [ "$s1" -le 630 ] && [ "$s2" -ge 170 ] && [ "$s3" -ge 170 ]
}

# who_downloads: the backend of web4's only established connection.
who_downloads() {
    ctl connections --service web4 --state established --json | jq -er '.connections | if length == 1 then .[0].backend else empty end'
}

# A running download is whole, and nobody new gets there. It waits in the middle until the others have been served.
drain_spares_downloads() {
    local download backend sum
    rm -f "$STATE/go-on"
    "$lab" exec client curl -sS --noproxy '*' --max-time 120 http://192.0.2.10/big |
        { head -c 1000000; until [ -e "$STATE/go-on" ]; do sleep 0.05; done; cat; } | sha256sum >"$STATE/sum" &
    download=$!
    until_true 10 who_downloads || return 1
    backend=$(who_downloads)
    ctl drain "web4/$backend" && served 300 || return 1
    [ "${!backend}" = 0 ] || { echo "$backend is drained and got ${!backend} of 300"; return 1; }
    [ "$(who_downloads)" = "$backend" ] || { echo "the download is over before its time"; return 1; }
    touch "$STATE/go-on"
    wait "$download" || return 1
    sum=$(<"$STATE/sum")
    [ "$sum" = "$BIG_SHA256  -" ] && ctl enable "web4/$backend" && served 300 && [ "${!backend}" -ge 90 ]
}

disable_acts() {
    ctl disable web4/s2 && served 300 && [ "$s2" = 0 ] && [ "$((s1 + s3))" = 300 ] && ctl enable web4/s2 && served 300 && [ "$s2" -ge 90 ]
}

# Documents come and go under traffic, refused ones among them. A backend drains and is not removed: removing it
# ends its connections.
changes_break_nothing() {
    local turn revision status
    ctl apply "$STATE/lb.json" || return 1
    spawn requests client "$LAB_D/requests" --parallel 4 web4=192.0.2.10 web6=2001:db8:10::10 direct4=192.0.2.20
    until_true 10 answers_come || return 1
    revision=$(ctl revisions --json | jq '[.revisions[].revision] | max')
    for turn in {1..20}; do
        now '(.services[] | select(.name == "web4")) |= (.scheduler = "maglev" | .backends[2].state = "draining" | .backends[0].weight = 300) |
            (.services[] | select(.name == "web6") | .weights) = "even"' >/dev/null || return 1
        ctl rollback "$revision" >/dev/null || return 1
        revision=$((revision + 2))
        status=0
        now '.services[0].backends[1].port = 70000' >/dev/null 2>"$STATE/refused" || status=$?
        if [ "$status" != 2 ] || ! grep -qF 'services[0].backends[1].port' "$STATE/refused"; then
            echo "status $status: $(<"$STATE/refused")"
            return 1
        fi
    done
    echo "$turn turns; revision $revision is in force"
    ctl config | cmp - "$STATE/lb.json" || return 1
    end TERM 20 "$STATE/pids/requests" || return 1
    cat "$STATE/requests.log"
    grep -q ' 0 failed$' "$STATE/requests.log"
}

answers_come() {
    ctl services --json | jq -e '[.services[] | select(.name == "web4" or .name == "web6" or .name == "direct4") | .connections_opened] | min > 100'
}

sighup_reads_the_file() {
    local box _
    read -r box _ <"$STATE/pids/box"
    jq '(.services[] | select(.name == "web4") | .backends[0].weight) = 42' "$STATE/lb.json" >"$STATE/next.json" && cp "$STATE/lb.json" "$STATE/kept.json" && mv "$STATE/next.json" "$STATE/lb.json" || return 1
    kill -HUP "$box"
    until_true 10 weighs s1 42 || return 1
    mv "$STATE/kept.json" "$STATE/lb.json" && kill -HUP "$box" && until_true 10 weighs s1 100 && ctl audit
}

weighs() {
    ctl backends "web4/$1" --json | jq -e --argjson w "$2" '[.. | objects | select(has("effective_weight")) | .weight] == [$w]'
}

if has_lbctl; then
    check "the lab comes up for lbctl" lab_for_control
    check "lbctl shows status, services, backends, ports, neighbors, and top once" shows
    check "lbctl weight: three times the weight, three times the connections" weight_acts
    check "lbctl drain: no new connection, and a running download arrives whole" drain_spares_downloads
    check "lbctl disable: no connection; enable: its share again" disable_acts
    check "20 documents applied, 20 rolled back, 20 refused, under traffic: no request fails" changes_break_nothing
    check "SIGHUP reads the file again" sighup_reads_the_file
    check "after all that SIGTERM ends the program with status 0" timeout 30 "$lab" stop
else
    skip "lbctl on real traffic: needs lbctl and lb-agent beside lb-dataplane (cargo build --release)"
fi
