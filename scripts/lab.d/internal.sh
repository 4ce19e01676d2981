#!/bin/bash
# Fig. 7: the control processor as a server behind the internal switch, with a NIC of its own. Sourced by scripts/lab.
# shellcheck source=common.sh
# shellcheck source=wires.sh

internal_nic() {
    wire box internal 02:00:00:00:00:0a switch control 02:00:00:00:03:0d
    ip -n "$PREFIX-switch" link set control master br0
    # The worker lcores ask for it from 10.0.0.1: a sender that this kernel has itself, on lb-server.
    inside box sysctl -qw net.ipv6.conf.internal.disable_ipv6=0 net.ipv4.conf.internal.accept_local=1
    address box internal 10.0.0.100/24 2001:db8:2::100/64
    # Answers of the NIC's own addresses go back the way that the questions came: through the worker lcores, whose
    # addresses at the switch these are. The kernel may know them as its own (lb-server), hence onlink and the fixed
    # neighbors: it would ask and answer itself.
    ip -n "$PREFIX-box" rule add from 10.0.0.100 lookup 100
    ip -n "$PREFIX-box" route add default via 10.0.0.1 dev internal onlink table 100
    ip -n "$PREFIX-box" -6 rule add from 2001:db8:2::100 lookup 100
    ip -n "$PREFIX-box" route add default via fe80::1 dev internal table 100
    ip -n "$PREFIX-box" neighbor add 10.0.0.1 lladdr 02:00:00:00:00:02 dev internal
    ip -n "$PREFIX-box" neighbor add fe80::1 lladdr 02:00:00:00:00:02 dev internal
}
