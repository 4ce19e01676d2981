//! The mirror against messages as the kernel sends them, without a kernel.

use lb_core::config::Prefix;

use super::super::facts::Hop;
use super::*;

const A: u32 = 11;
const B: u32 = 12;
const FOREIGN: u32 = 13;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn link(name: &str) -> Link {
    Link {
        name: name.to_owned(),
        is_up: true,
        has_carrier: true,
        mtu: 1500,
        master: 0,
    }
}

/// Two devices of ours and one that is not.
fn mirror() -> Mirror {
    let mut mirror = Mirror::default();
    let devices = [(PortId(0), "lb-a"), (PortId(1), "lb-b")];
    mirror.set_devices(devices.map(|(port, name)| (port, name.to_owned())).to_vec());
    for (index, name) in [(A, "lb-a"), (B, "lb-b"), (FOREIGN, "eth0")] {
        mirror.take(Fact::Link(index, Some(link(name))));
    }
    mirror
}

fn hop(device: u32, gateway: &str) -> Hop {
    Hop {
        device,
        gateway: gateway.parse().ok(),
        weight: 1,
        is_usable: true,
    }
}

fn route(prefix: &str, hops: &[(u32, &str)]) -> Route {
    Route {
        prefix: Prefix::parse(prefix).unwrap(),
        metric: 20,
        rest: Rest {
            kind: RouteType::Unicast,
            protocol: 12,
            scope: 0,
            source: None,
            object: 0,
            metrics: Vec::new(),
            hops: hops
                .iter()
                .map(|(device, gateway)| hop(*device, gateway))
                .collect(),
        },
    }
}

/// Gateways of a prefix, as `port gateway`; `None`: no route.
fn ways(mirror: &mut Mirror, prefix: &str) -> Option<Vec<String>> {
    let picture = mirror.picture();
    let mut routes = picture.routes.iter();
    let route = routes.find(|route| route.prefix.to_string() == prefix)?;
    let way = |(hop, _): &(NextHop, u16)| match hop.gateway {
        Some(gateway) => format!("{} {gateway}", hop.port),
        None => hop.port.to_string(),
    };
    Some(route.hops.iter().map(way).collect())
}

const V4: &str = "192.0.2.0/24";
const V6: &str = "2001:db8::/32";

#[track_caller]
fn assert_ways(mirror: &mut Mirror, prefix: &str, expected: &[&str]) {
    let expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
    assert_eq!(ways(mirror, prefix), Some(expected));
}

#[test]
fn the_first_ipv4_route_of_a_prefix_and_metric_is_in_force() {
    let mut mirror = mirror();
    mirror.take(Fact::Route(route(V4, &[(A, "10.0.0.1")]), Deed::Alone));
    mirror.take(Fact::Route(route(V4, &[(B, "10.0.0.2")]), Deed::Last));
    assert_ways(&mut mirror, V4, &["0 10.0.0.1"]);
    mirror.take(Fact::Route(route(V4, &[(B, "10.0.0.3")]), Deed::First));
    assert_ways(&mut mirror, V4, &["1 10.0.0.3"]);
    mirror.take(Fact::Route(route(V4, &[(A, "10.0.0.4")]), Deed::Replaces));
    assert_ways(&mut mirror, V4, &["0 10.0.0.4"]);
    mirror.take(Fact::Route(route(V4, &[(A, "10.0.0.4")]), Deed::Gone));
    assert_ways(&mut mirror, V4, &["0 10.0.0.1"]);
    mirror.take(Fact::Route(route(V4, &[(A, "10.0.0.1")]), Deed::Gone));
    assert_ways(&mut mirror, V4, &["1 10.0.0.2"]);
    mirror.take(Fact::Route(route(V4, &[(B, "10.0.0.2")]), Deed::Gone));
    assert_eq!(ways(&mut mirror, V4), None);
}

#[test]
fn an_ipv6_hop_that_joins_is_told_with_all_and_one_that_leaves_alone() {
    let mut mirror = mirror();
    mirror.take(Fact::Route(route(V6, &[(A, "fe80::1")]), Deed::Alone));
    let both = route(V6, &[(A, "fe80::1"), (B, "fe80::2")]);
    mirror.take(Fact::Route(both, Deed::Last));
    assert_ways(&mut mirror, V6, &["0 fe80::1", "1 fe80::2"]);
    let outcome = mirror.take(Fact::Route(route(V6, &[(A, "fe80::1")]), Deed::Gone));
    assert!(outcome.is_change && outcome.doubt.is_none());
    assert_ways(&mut mirror, V6, &["1 fe80::2"]);
    let other = route(V6, &[(A, "fe80::7"), (A, "fe80::8")]);
    mirror.take(Fact::Route(other, Deed::Replaces));
    assert_ways(&mut mirror, V6, &["0 fe80::7", "0 fe80::8"]);
}

#[test]
fn an_ipv6_network_on_two_links_is_two_routes() {
    let mut mirror = mirror();
    mirror.take(Fact::Route(route(V6, &[(A, "")]), Deed::Alone));
    mirror.take(Fact::Route(route(V6, &[(B, "")]), Deed::First));
    assert_ways(&mut mirror, V6, &["0"]);
    mirror.take(Fact::Route(route(V6, &[(A, "")]), Deed::Gone));
    assert_ways(&mut mirror, V6, &["1"]);
}

#[test]
fn a_route_over_a_foreign_device_takes_the_place_of_ours_and_is_not_shown() {
    let mut mirror = mirror();
    mirror.take(Fact::Route(route(V4, &[(A, "10.0.0.1")]), Deed::Alone));
    let foreign = route(V4, &[(FOREIGN, "10.9.0.1")]);
    mirror.take(Fact::Route(foreign, Deed::Replaces));
    assert_eq!(ways(&mut mirror, V4), None);
    let both = route(V4, &[(FOREIGN, "10.9.0.1"), (B, "10.0.0.2")]);
    mirror.take(Fact::Route(both, Deed::Replaces));
    assert_ways(&mut mirror, V4, &["1 10.0.0.2"]);
}

#[test]
fn hops_that_are_dead_are_left_out_and_told_apart_by_nothing_else() {
    let mut mirror = mirror();
    let mut dead = route(V4, &[(A, "10.0.0.1"), (B, "10.0.0.2")]);
    mirror.take(Fact::Route(dead.clone(), Deed::Alone));
    dead.rest.hops[0].is_usable = false;
    mirror.take(Fact::Route(dead.clone(), Deed::Replaces));
    assert_ways(&mut mirror, V4, &["1 10.0.0.2"]);
    dead.rest.hops[0].is_usable = true;
    let outcome = mirror.take(Fact::Route(dead, Deed::Gone));
    assert_eq!((outcome.is_change, outcome.doubt), (true, None));
    assert_eq!(ways(&mut mirror, V4), None);
}

#[test]
fn a_route_to_nowhere_has_no_hops_and_a_throw_route_is_none() {
    let mut mirror = mirror();
    let mut nowhere = route(V4, &[]);
    nowhere.rest.kind = RouteType::BlackHole;
    mirror.take(Fact::Route(nowhere.clone(), Deed::Alone));
    assert_ways(&mut mirror, V4, &[]);
    nowhere.rest.kind = RouteType::Throw;
    mirror.take(Fact::Route(nowhere, Deed::Replaces));
    assert_eq!(ways(&mut mirror, V4), None);
}

#[test]
fn a_route_that_goes_without_having_come_is_a_reason_to_read_again() {
    let mut mirror = mirror();
    let gone = || Fact::Route(route(V4, &[(A, "10.0.0.1")]), Deed::Gone);
    assert_eq!(mirror.take(gone()).doubt, Some(Doubt::Mismatch));
    mirror.put(Tables::default(), true);
    assert_eq!(
        mirror.take(gone()).doubt,
        None,
        "it may be older than the dump"
    );
    mirror.end_of_window();
    assert_eq!(mirror.take(gone()).doubt, Some(Doubt::Mismatch));
}

#[test]
fn messages_that_a_dump_has_already_change_nothing() {
    let mut mirror = mirror();
    let mut tables = Tables::default();
    tables.list(Fact::Link(A, Some(link("lb-a"))));
    tables.list(Fact::Route(route(V4, &[(A, "10.0.0.2")]), Deed::Listed));
    mirror.put(tables, true);
    for (gateway, deed) in [
        ("10.0.0.1", Deed::Alone),
        ("10.0.0.1", Deed::Gone),
        ("10.0.0.2", Deed::Alone),
    ] {
        let outcome = mirror.take(Fact::Route(route(V4, &[(A, gateway)]), deed));
        assert_eq!(outcome.doubt, None);
    }
    assert_ways(&mut mirror, V4, &["0 10.0.0.2"]);
    let behind = Fact::Route(route(V4, &[(A, "10.0.0.3")]), Deed::Last);
    assert_eq!(mirror.take(behind).doubt, Some(Doubt::Mismatch));
}

#[test]
fn a_link_that_goes_down_or_loses_its_carrier_puts_routes_in_doubt() {
    let mut mirror = mirror();
    let down = |has_carrier, is_up| Link {
        has_carrier,
        is_up,
        ..link("lb-a")
    };
    let take = |mirror: &mut Mirror, index, link| mirror.take(Fact::Link(index, Some(link)));
    let outcome = take(&mut mirror, A, down(false, true));
    assert_eq!(outcome.doubt, Some(Doubt::Link));
    let outcome = take(&mut mirror, A, down(false, false));
    assert_eq!(outcome.doubt, Some(Doubt::Link));
    assert!(!mirror.picture().interfaces[0].is_up);
    let longer = Link {
        mtu: 9000,
        ..down(false, false)
    };
    let outcome = take(&mut mirror, A, longer);
    assert_eq!((outcome.is_change, outcome.doubt), (true, None));
    let outcome = take(
        &mut mirror,
        FOREIGN,
        Link {
            is_up: false,
            ..link("eth0")
        },
    );
    assert_eq!(outcome, Outcome::default());
}

#[test]
fn an_ipv4_address_that_goes_may_take_routes_with_it() {
    let mut mirror = mirror();
    let cidr = Cidr::parse("10.5.0.1/32").unwrap();
    let come = mirror.take(Fact::Address(FOREIGN, cidr, true));
    let go = mirror.take(Fact::Address(FOREIGN, cidr, false));
    assert_eq!((come, go), (Outcome::default(), Outcome::default()));
    let mut prefers = route(V4, &[(A, "10.0.0.1")]);
    prefers.rest.source = Some(ip("10.5.0.1"));
    mirror.take(Fact::Route(prefers, Deed::Alone));
    mirror.take(Fact::Address(FOREIGN, cidr, true));
    let go = mirror.take(Fact::Address(FOREIGN, cidr, false));
    assert_eq!(go.doubt, Some(Doubt::Address));
}

#[test]
fn neighbors_are_told_when_they_are_confirmed_moved_or_gone() {
    let mut mirror = mirror();
    let mac = MacAddr([2, 0, 0, 0, 0, 1]);
    let (address, port) = (ip("10.0.0.1"), PortId(0));
    let state = |mac, is_reachable, is_permanent| {
        Fact::Neighbor(
            A,
            address,
            Some(Neighbor {
                mac,
                is_permanent,
                is_reachable,
            }),
        )
    };
    let known = Some(News::Known { address, port, mac });
    assert_eq!(
        mirror.take(state(Some(mac), false, false)).news,
        known,
        "stale, but new"
    );
    assert_eq!(mirror.take(state(Some(mac), false, false)).news, None);
    assert_eq!(mirror.take(state(Some(mac), true, false)).news, known);
    let gone = Some(News::Gone { address, port });
    assert_eq!(
        mirror.take(state(None, false, false)).news,
        gone,
        "no answer"
    );
    assert_eq!(mirror.take(Fact::Neighbor(A, address, None)).news, None);
    let outcome = mirror.take(state(Some(mac), false, true));
    assert_eq!((outcome.is_change, outcome.news), (true, None));
    assert_eq!(
        mirror.picture().neighbors,
        [StaticNeighbor { address, mac, port }]
    );
    let elsewhere = Fact::Neighbor(FOREIGN, ip("10.0.0.2"), None);
    assert_eq!(mirror.take(elsewhere), Outcome::default());
}

#[test]
fn routes_are_shared_between_pictures_while_none_changes() {
    let mut mirror = mirror();
    mirror.take(Fact::Route(route(V4, &[(A, "10.0.0.1")]), Deed::Alone));
    let first = mirror.picture();
    mirror.take(Fact::Address(A, Cidr::parse("10.0.0.5/24").unwrap(), true));
    let second = mirror.picture();
    assert_ne!(first, second);
    assert!(Arc::ptr_eq(&first.routes, &second.routes));
}

#[test]
fn a_device_that_gets_another_name_is_not_ours_any_more() {
    let mut mirror = mirror();
    mirror.take(Fact::Route(route(V4, &[(A, "10.0.0.1")]), Deed::Alone));
    mirror.take(Fact::Link(A, Some(link("other"))));
    assert_eq!(ways(&mut mirror, V4), None);
    assert_eq!(mirror.picture().interfaces.len(), 1);
    mirror.set_devices(vec![(PortId(7), "other".to_owned())]);
    assert_ways(&mut mirror, V4, &["7 10.0.0.1"]);
    mirror.take(Fact::Link(A, None));
    assert_eq!(mirror.picture().interfaces.len(), 0);
}
