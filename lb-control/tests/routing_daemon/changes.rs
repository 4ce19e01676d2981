//! Each kind of `ip addr`, `ip route`, `ip neigh` and `ip link` arrives.

use std::net::IpAddr;
use std::time::Duration;

use lb_control::routing_daemon::{Doubt, News};
use lb_core::config::{KernelNetwork, KernelRoute};
use lb_core::wire::MacAddr;

use crate::kernel::{published, until_equal};
use crate::net::{Net, ip};
use crate::rig::{PORT_A, PORT_B, Rig};

fn has(network: &KernelNetwork, line: &str) -> bool {
    published(network).contains(line)
}

fn route<'a>(network: &'a KernelNetwork, prefix: &str) -> Option<&'a KernelRoute> {
    let mut routes = network.routes.iter();
    routes.find(|route| route.prefix.to_string() == prefix)
}

/// Runs `ip`, waits until the line is there, and says how long that took.
#[track_caller]
fn then(rig: &Rig, words: &str, line: &str) -> Duration {
    ip(words);
    let took = rig.until(words, |network| has(network, line));
    println!("{:>6.1} ms  ip {words}", took.as_secs_f64() * 1e3);
    took
}

/// The same until the line is gone.
#[track_caller]
fn then_no(rig: &Rig, words: &str, line: &str) {
    ip(words);
    rig.until(words, |network| !has(network, line));
}

#[test]
fn addresses_come_and_go() {
    let Some(_net) = Net::enter() else { return };
    let rig = Rig::start();
    then(
        &rig,
        "addr add 10.7.0.1/24 dev lb-a",
        "address 0 10.7.0.1/24",
    );
    then(
        &rig,
        "addr add 2001:db8:7::1/64 dev lb-b",
        "address 1 2001:db8:7::1/64",
    );
    then_no(
        &rig,
        "addr del 10.7.0.1/24 dev lb-a",
        "address 0 10.7.0.1/24",
    );
    then_no(
        &rig,
        "addr del 2001:db8:7::1/64 dev lb-b",
        "address 1 2001:db8:7::1/64",
    );
    then(
        &rig,
        "addr add 10.8.0.1 peer 10.9.0.0/24 dev lb-a",
        "address 0 10.8.0.1/32",
    );
    ip("addr add 10.6.0.1/24 dev mgmt");
    until_equal(&rig);
}

#[test]
fn routes_come_change_and_go() {
    let Some(_net) = Net::enter() else { return };
    let rig = Rig::start();
    let via = |gateway: &str| format!("route 10.99.0.0/16 3 0 [{gateway}] 1 metric 0");
    then(
        &rig,
        "route add 10.99.0.0/16 via 10.1.0.9",
        &via("10.1.0.9"),
    );
    then(
        &rig,
        "route replace 10.99.0.0/16 via 10.1.0.8",
        &via("10.1.0.8"),
    );
    then(
        &rig,
        "route change 10.99.0.0/16 via 10.1.0.7",
        &via("10.1.0.7"),
    );
    ip("route append 10.99.0.0/16 via 10.2.0.6");
    then(
        &rig,
        "route prepend 10.99.0.0/16 via 10.1.0.5",
        &via("10.1.0.5"),
    );
    then(
        &rig,
        "route del 10.99.0.0/16 via 10.1.0.5",
        &via("10.1.0.7"),
    );
    let other = "route 10.99.0.0/16 3 1 [10.2.0.6] 1 metric 0";
    then(&rig, "route del 10.99.0.0/16 via 10.1.0.7", other);
    then(
        &rig,
        "route add blackhole 10.98.0.0/16",
        "route 10.98.0.0/16 3 nowhere metric 0",
    );
    then(
        &rig,
        "route add unreachable 2001:db8:98::/48 metric 9",
        "route 2001:db8:98::/48 3 nowhere metric 9",
    );
    then(
        &rig,
        "route add default proto bgp metric 20 nexthop via 10.1.0.9 weight 3 nexthop via 10.2.0.9",
        "route 0.0.0.0/0 186 0 [10.1.0.9] 3, 1 [10.2.0.9] 1 metric 20",
    );
    let v6 = "route 2001:db8:97::/48 3 0 [2001:db8:1::9] 1, 1 [2001:db8:2::9] 1 metric 1024";
    then(
        &rig,
        "route add 2001:db8:97::/48 nexthop via 2001:db8:1::9 nexthop via 2001:db8:2::9",
        v6,
    );
    let v6 = "route 2001:db8:97::/48 3 1 [2001:db8:2::9] 1 metric 1024";
    then(&rig, "route del 2001:db8:97::/48 via 2001:db8:1::9", v6);
    let v6 = "route 2001:db8:97::/48 3 0 [2001:db8:1::7] 1, 1 [2001:db8:2::9] 1 metric 1024";
    then(
        &rig,
        "-6 route append 2001:db8:97::/48 via 2001:db8:1::7",
        v6,
    );
    then_no(&rig, "route del 2001:db8:97::/48", v6);
    then(
        &rig,
        "route add 10.96.0.0/16 via inet6 fe80::9 dev lb-a",
        "route 10.96.0.0/16 3 0 [fe80::9] 1 metric 0",
    );
    assert_eq!(rig.resyncs(Doubt::Mismatch), 0, "{:?}", rig.log());
    until_equal(&rig);
}

#[test]
fn a_route_that_is_replaced_by_one_over_another_device_is_gone() {
    let Some(_net) = Net::enter() else { return };
    let rig = Rig::start();
    let line = "route 10.99.0.0/16 3 0 [10.1.0.9] 1 metric 0";
    then(&rig, "route add 10.99.0.0/16 via 10.1.0.9", line);
    then_no(&rig, "route replace 10.99.0.0/16 via 10.3.0.9", line);
    then(&rig, "route replace 10.99.0.0/16 via 10.1.0.9", line);
    then_no(&rig, "route replace throw 10.99.0.0/16", line);
    ip("route add 10.98.0.0/16 nexthop via 10.3.0.9 nexthop via 10.2.0.9 weight 7");
    rig.until("our part", |network| {
        has(network, "route 10.98.0.0/16 3 1 [10.2.0.9] 7 metric 0")
    });
}

#[test]
fn other_tables_sources_and_services_are_not_followed() {
    let Some(_net) = Net::enter() else { return };
    let rig = Rig::start();
    ip("route add 10.91.0.0/16 via 10.1.0.9 table 100");
    ip("route add 10.92.0.0/16 via 10.1.0.9 table 100000");
    ip("route add 10.93.0.0/16 via 10.1.0.9 tos 0x10");
    ip("route add 2001:db8:94::/48 from 2001:db8:5::/48 via 2001:db8:1::9");
    ip("route add 10.95.0.0/16 via 10.1.0.9");
    rig.until("the last one", |network| {
        route(network, "10.95.0.0/16").is_some()
    });
    for prefix in [
        "10.91.0.0/16",
        "10.92.0.0/16",
        "10.93.0.0/16",
        "2001:db8:94::/48",
    ] {
        assert_eq!(route(&rig.network(), prefix), None);
    }
    let log = rig.log();
    for word in ["`from`", "`tos`"] {
        assert_eq!(
            log.iter().filter(|line| line.contains(word)).count(),
            1,
            "{log:?}"
        );
    }
}

#[test]
fn ipv4_routes_that_vanish_without_a_word_are_missed() {
    let Some(_net) = Net::enter() else { return };
    let rig = Rig::start();
    let line = "route 10.99.0.0/16 3 0 [10.1.0.9] 1 metric 0";
    then(&rig, "route add 10.99.0.0/16 via 10.1.0.9", line);
    then_no(&rig, "link set lb-a down", line);
    rig.until("down", |network| has(network, "link 0 1500 false"));
    then(&rig, "link set lb-a up", "link 0 1500 true");
    until_equal(&rig);
    then(&rig, "route add 10.99.0.0/16 via 10.1.0.9", line);
    then_no(&rig, "link set peer-a down", line);
    then(&rig, "link set peer-a up", line);
    ip("addr add 10.5.0.1/32 dev lo");
    then(
        &rig,
        "route replace 10.99.0.0/16 via 10.1.0.9 src 10.5.0.1",
        line,
    );
    then_no(&rig, "addr del 10.5.0.1/32 dev lo", line);
    let many = "route 10.97.0.0/16 3 0 [10.1.0.9] 1, 1 [10.2.0.9] 1 metric 0";
    then(
        &rig,
        "route add 10.97.0.0/16 nexthop via 10.1.0.9 nexthop via 10.2.0.9",
        many,
    );
    then(
        &rig,
        "link set peer-b down",
        "route 10.97.0.0/16 3 0 [10.1.0.9] 1 metric 0",
    );
    then(&rig, "link set peer-b up", many);
    then(&rig, "link set mtu 1400 dev lb-b", "link 1 1400 true");
    until_equal(&rig);
}

#[test]
fn routes_with_nexthop_objects_go_where_the_objects_do() {
    let Some(_net) = Net::enter() else { return };
    let rig = Rig::start();
    ip("nexthop add id 1 via 10.1.0.9 dev lb-a");
    ip("nexthop add id 2 via 10.2.0.9 dev lb-b");
    ip("nexthop add id 3 group 1/2");
    let one = |gateway| format!("route 10.99.0.0/16 3 0 [{gateway}] 1 metric 0");
    then(&rig, "route add 10.99.0.0/16 nhid 1", &one("10.1.0.9"));
    let group = |gateway| format!("route 10.98.0.0/16 3 0 [{gateway}] 1, 1 [10.2.0.9] 1 metric 0");
    then(&rig, "route add 10.98.0.0/16 nhid 3", &group("10.1.0.9"));
    then(
        &rig,
        "nexthop replace id 1 via 10.1.0.7 dev lb-a",
        &one("10.1.0.7"),
    );
    rig.until("the group too", |network| has(network, &group("10.1.0.7")));
    then_no(&rig, "nexthop del id 1", &one("10.1.0.7"));
    until_equal(&rig);
}

#[test]
fn permanent_neighbors_are_published_and_others_told() {
    let Some(_net) = Net::enter() else { return };
    let rig = Rig::start();
    let line = "neighbor 0 10.1.0.9 02:00:00:00:00:09";
    then(
        &rig,
        "neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev lb-a nud permanent",
        line,
    );
    let other = "neighbor 0 10.1.0.9 02:00:00:00:00:08";
    then(
        &rig,
        "neigh replace 10.1.0.9 lladdr 02:00:00:00:00:08 dev lb-a nud permanent",
        other,
    );
    then_no(&rig, "neigh del 10.1.0.9 dev lb-a", other);
    let address: IpAddr = "2001:db8:2::9".parse().unwrap();
    let mac = MacAddr([2, 0, 0, 0, 0, 7]);
    ip("neigh add 2001:db8:2::9 lladdr 02:00:00:00:00:07 dev lb-b nud reachable");
    let port = PORT_B;
    rig.until_heard(News::Known { address, port, mac });
    ip("neigh del 2001:db8:2::9 dev lb-b");
    rig.until_heard(News::Gone { address, port });
    ip("neigh add 10.3.0.9 lladdr 02:00:00:00:00:07 dev mgmt nud permanent");
    until_equal(&rig);
}

#[test]
fn a_device_that_comes_goes_or_is_renamed_is_followed() {
    let Some(_net) = Net::enter() else { return };
    let rig = Rig::start();
    ip("link add lb-c type veth peer name peer-c");
    ip("link set lb-c up");
    ip("link set peer-c up");
    ip("addr add 10.4.0.1/24 dev lb-c");
    ip("route add 10.99.0.0/16 via 10.4.0.9");
    let port = lb_core::id::PortId(2);
    rig.set_devices(&[(PORT_A, "lb-a"), (port, "lb-c")]);
    let line = "route 10.99.0.0/16 3 2 [10.4.0.9] 1 metric 0";
    rig.until("a new revision", |network| {
        has(network, line) && !has(network, "link 1 1500 true")
    });
    ip("link set lb-c down");
    ip("link set lb-c name other");
    rig.until("renamed", |network| network.interfaces.len() == 1);
    ip("link set other name lb-c");
    ip("link set lb-c up");
    then(&rig, "route add 10.99.0.0/16 via 10.4.0.9", line);
    then_no(&rig, "link del lb-c", line);
    rig.until("deleted", |network| network.interfaces.len() == 1);
}

#[test]
fn a_bridge_that_lets_go_of_a_device_leaves_it_in_place() {
    let Some(_net) = Net::enter() else { return };
    let rig = Rig::start();
    ip("link add br0 type bridge");
    ip("link set lb-a master br0");
    ip("link set lb-a nomaster");
    then(
        &rig,
        "addr add 10.7.0.1/24 dev lb-a",
        "address 0 10.7.0.1/24",
    );
    until_equal(&rig);
}

#[test]
fn a_data_path_that_is_busy_is_asked_again() {
    let Some(_net) = Net::enter() else { return };
    let rig = Rig::with(lb_control::routing_daemon::RECEIVE_BUFFER, 3);
    assert_eq!(rig.figures().busy, 3);
    until_equal(&rig);
}
