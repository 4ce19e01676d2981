//! Properties of the route table: it answers as a scan over all prefixes would.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lb_core::id::PortId;
use lb_core::route::{NextHop, NextHops, RouteTable};
use proptest::prelude::*;

/// Without a next hop it drops.
type Route = (IpAddr, u8, Option<NextHop>);

fn table<'r>(routes: impl Iterator<Item = &'r Route>) -> RouteTable {
    RouteTable::build(routes.map(|&(network, len, hop)| (network, len, hop.map(NextHops::from))))
}

const SOME: Option<NextHop> = Some(NextHop {
    port: PortId(0),
    gateway: None,
});

/// What the last of the longest prefixes that hold the address says.
fn scan(routes: &[Route], address: IpAddr) -> Option<NextHop> {
    let holds = |network: IpAddr, len: u8| match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let differ = network.to_bits() ^ address.to_bits();
            differ.leading_zeros() >= u32::from(len)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let differ = network.to_bits() ^ address.to_bits();
            differ.leading_zeros() >= u32::from(len)
        }
        _ => false,
    };
    routes
        .iter()
        .filter(|&&(network, len, _)| holds(network, len))
        .max_by_key(|&&(_, len, _)| len)
        .and_then(|&(_, _, hop)| hop)
}

/// Addresses crowded at both ends of the space and under a few common prefixes, so that prefixes
/// nest, touch and repeat.
fn v4() -> impl Strategy<Value = u32> {
    prop_oneof![
        any::<u32>(),
        0..16u32,
        (0..16u32).prop_map(|n| u32::MAX - n),
        (0..2048u32).prop_map(|n| 0x0a00_0000 | n),
        (0..8u32, 0..32u32).prop_map(|(n, shift)| n << shift),
    ]
}

fn v6() -> impl Strategy<Value = u128> {
    prop_oneof![
        any::<u128>(),
        0..16u128,
        (0..16u128).prop_map(|n| u128::MAX - n),
        (0..2048u128).prop_map(|n| 0x2001_0db8 << 96 | n << 48 | n >> 8),
        (0..8u128, 0..128u32).prop_map(|(n, shift)| n << shift),
    ]
}

fn hop() -> impl Strategy<Value = Option<NextHop>> {
    let gateway = prop_oneof![
        Just(None),
        (1..4u8).prop_map(|n| Some(IpAddr::from([10, 0, 0, n])))
    ];
    let hop = (0..3u16, gateway).prop_map(|(port, gateway)| NextHop {
        port: PortId(port),
        gateway,
    });
    proptest::option::weighted(0.9, hop)
}

fn routes() -> impl Strategy<Value = Vec<Route>> {
    let v4 = (v4(), 0..=32u8).prop_map(|(bits, len)| (Ipv4Addr::from_bits(bits).into(), len));
    let v6 = (v6(), 0..=128u8).prop_map(|(bits, len)| (Ipv6Addr::from_bits(bits).into(), len));
    let prefix = prop_oneof![v4, v6];
    proptest::collection::vec(
        (prefix, hop()).prop_map(|((net, len), hop)| (net, len, hop)),
        0..300,
    )
}

/// First and last address of every prefix and the ones just outside.
fn edges(routes: &[Route]) -> Vec<IpAddr> {
    let mut edges = Vec::new();
    for &(network, len, _) in routes {
        match network {
            IpAddr::V4(network) => {
                let host = u32::MAX.checked_shr(u32::from(len)).unwrap_or(0);
                let (first, last) = (network.to_bits() & !host, network.to_bits() | host);
                let near = [first.wrapping_sub(1), first, last, last.wrapping_add(1)];
                edges.extend(near.map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits))));
            }
            IpAddr::V6(network) => {
                let host = u128::MAX.checked_shr(u32::from(len)).unwrap_or(0);
                let (first, last) = (network.to_bits() & !host, network.to_bits() | host);
                let near = [first.wrapping_sub(1), first, last, last.wrapping_add(1)];
                edges.extend(near.map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits))));
            }
        }
    }
    edges
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_lookup_answers_as_a_scan_of_all_prefixes(
        routes in routes(),
        v4 in proptest::collection::vec(v4(), 50),
        v6 in proptest::collection::vec(v6(), 50),
    ) {
        let table = table(routes.iter());
        let v4 = v4.into_iter().map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits)));
        let v6 = v6.into_iter().map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits)));
        for address in v4.chain(v6).chain(edges(&routes)) {
            let found = table.lookup(address).and_then(|hops| hops.iter().next());
            prop_assert_eq!(found, scan(&routes, address), "{}", address);
        }
    }

    #[test]
    fn the_order_of_different_prefixes_does_not_matter(routes in routes()) {
        let mut distinct: Vec<Route> = Vec::new();
        for route in routes {
            let same = |other: &Route| other.1 == route.1 && scan(&[(other.0, other.1, SOME)], route.0).is_some();
            if !distinct.iter().any(same) {
                distinct.push(route);
            }
        }
        let (table, turned) = (table(distinct.iter()), table(distinct.iter().rev()));
        prop_assert_eq!(table.len(), distinct.len());
        for address in edges(&distinct) {
            prop_assert_eq!(table.lookup(address), turned.lookup(address));
        }
    }
}
