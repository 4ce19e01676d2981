#!/bin/bash
# One port serves clients and backends at once. Sourced by tests/system/run.
# shellcheck disable=SC2154  # lab and here are set there

some_requests() {
    timeout --foreground 60 "$lab" exec client "$LAB_D/requests" --requests 1000 --parallel 8 \
        web4=192.0.2.10 web6=2001:db8:10::10 direct4=192.0.2.20 direct6=2001:db8:10::20
}

check "the lab comes up one-armed" timeout 120 "$lab" up --one-armed --owner $$
check "lb-dataplane starts with one port" timeout 60 "$lab" start
check "one-armed: 4,000 requests without a failure" some_requests
check "one-armed: SIGTERM ends the program with status 0" timeout 30 "$lab" stop
