//! The kernel's view of the network beside the document.
//!
//! No counterpart in the patent; box 58 brings it.
//! Easy to get wrong: a document is refused for its own faults only. That no route leads to a backend is not one where the
//! kernel's routes are followed.

use std::net::Ipv4Addr;
use std::sync::Arc;

use lb_control::control::{Busy, Control, Patch, ServiceWeights};
use lb_core::config::{Cidr, KernelInterface, KernelNetwork, KernelRoute, Prefix, StaticNeighbor};
use lb_core::conn::{ConnState, NewConn, Tick};
use lb_core::flow::KeyV4;
use lb_core::id::{BackendSlot, PortId, ServiceSlot};
use lb_core::route::NextHop;
use lb_core::wire::MacAddr;

use super::support::{Side, Start, agree, somebody, weights};

/// A service with a backend on the link, and one that only the kernel may know a way to.
const DOCUMENT: &str = r#"{"interfaces":[{"port":1,"name":"server","addresses":["10.0.0.1/24"]}],
    "services":[{"name":"web","address":"192.0.2.1","port":80,"protocol":"tcp","forwarding":"nat",
    "scheduler":"weighted-round-robin","weights":"even",
    "backends":[{"name":"near","address":"10.0.0.11"},{"name":"far","address":"10.9.0.11"}]}]}"#;

fn network(prefixes: &[&str]) -> Arc<KernelNetwork> {
    let hop = NextHop {
        port: PortId(1),
        gateway: Some("10.0.0.254".parse().unwrap()),
    };
    let routes = prefixes.iter().map(|prefix| KernelRoute {
        prefix: Prefix::parse(prefix).unwrap(),
        metric: 20,
        protocol: 186,
        hops: vec![(hop, 1)],
    });
    Arc::new(KernelNetwork {
        interfaces: vec![KernelInterface {
            port: PortId(1),
            addresses: vec![Cidr::parse("10.0.0.1/24").unwrap()],
            mtu: 1500,
            is_up: true,
        }],
        routes: routes.collect(),
        neighbors: Vec::new(),
    })
}

fn unreachable(control: &Control) -> Vec<String> {
    control.look(|look| {
        let backends = look.distribution.unreachable();
        backends.map(|(_, backend)| backend.name.clone()).collect()
    })
}

#[test]
fn without_the_kernel_a_backend_that_no_route_leads_to_is_refused() {
    let start = Start {
        text: Some(DOCUMENT),
        ..Start::default()
    };
    assert!(start.side().is_err());
}

/// With the document, and a lcore that is between two turns.
fn beside_the_kernel() -> Side {
    let mut it = Start {
        text: Some(DOCUMENT),
        follows_kernel: true,
        ..Start::default()
    }
    .side()
    .unwrap();
    it.reader.rest();
    it
}

#[test]
fn with_the_kernel_it_is_taken_and_waits_for_its_route() {
    let it = beside_the_kernel();
    assert_eq!(unreachable(&it.control), ["far"]);
    assert_eq!(it.control.look(weights), [100, 0]);
    let first = it.control.look(|look| look.generation);
    let routed = network(&["10.9.0.0/16"]);
    assert_eq!(it.control.set_network(Arc::clone(&routed)), Ok(first + 1));
    assert!(unreachable(&it.control).is_empty());
    assert_eq!(it.control.look(weights), [100, 100]);
    assert_eq!(it.control.set_network(network(&[])), Ok(first + 2));
    assert_eq!(unreachable(&it.control), ["far"]);
    it.control.look(|look| {
        assert_eq!(look.network, Some(&network(&[])));
        assert_eq!(look.network_in_force().routes().len(), 1);
    });
}

#[test]
fn the_network_that_is_in_force_already_makes_no_flip() {
    let it = beside_the_kernel();
    let generation = it.control.set_network(network(&["10.9.0.0/16"])).unwrap();
    let flips = it.control.look(|look| look.flips);
    let same = it.control.set_network(network(&["10.9.0.0/16"]));
    assert_eq!(same, Ok(generation));
    assert_eq!(it.control.look(|look| look.flips), flips);
}

#[test]
fn documents_weights_and_checks_are_built_with_the_latest_network() {
    let it = beside_the_kernel();
    it.control.set_network(network(&["10.9.0.0/16"])).unwrap();
    let other = DOCUMENT.replace("192.0.2.1", "192.0.2.2");
    assert!(it.control.check(&other).is_ok());
    it.control.apply(&other, &somebody(), None).unwrap();
    assert!(unreachable(&it.control).is_empty());
    it.control.set_network(network(&[])).unwrap();
    let patch = Patch {
        weight: Some(50),
        state: None,
    };
    it.control
        .patch_backend("web", "far", &patch, &somebody(), None)
        .unwrap();
    assert_eq!(it.control.look(weights), [100, 0]);
    it.control.rollback(1, &somebody()).unwrap();
    assert_eq!(unreachable(&it.control), ["far"]);
    it.control.set_network(network(&["10.9.0.0/16"])).unwrap();
    assert_eq!(it.control.look(weights), [100, 100]);
    it.control.look(agree);
}

#[test]
fn a_master_that_wants_weight_for_an_unreachable_backend_waits_with_it_and_makes_no_flips() {
    let it = beside_the_kernel();
    let wanted = [ServiceWeights {
        service: "web".to_owned(),
        weights: vec![("near".to_owned(), 900), ("far".to_owned(), 300)],
    }];
    let generation = it.control.set_weights(&wanted).unwrap();
    assert_eq!(it.control.look(weights), [900, 0]);
    assert_eq!(it.control.set_weights(&wanted), Ok(generation));
    it.control.set_network(network(&["10.9.0.0/16"])).unwrap();
    assert_eq!(it.control.look(weights), [900, 300]);
}

#[test]
fn more_neighbors_and_gateways_than_rows_refuse_nothing() {
    let mut it = Start {
        text: Some(DOCUMENT),
        follows_kernel: true,
        neighbors: 32,
        ..Start::default()
    }
    .side()
    .unwrap();
    it.reader.rest();
    let mut crowd = KernelNetwork::clone(&network(&["10.9.0.0/16"]));
    crowd.neighbors = (20..220)
        .map(|last| StaticNeighbor {
            address: [10, 0, 0, last].into(),
            mac: MacAddr([2, 0, 0, 0, 5, last]),
            port: PortId(1),
        })
        .collect();
    it.control.set_network(Arc::new(crowd)).unwrap();
    it.control.set_network(network(&["10.9.0.0/16"])).unwrap();
    assert!(unreachable(&it.control).is_empty());
}

#[test]
fn connections_hear_of_another_way_when_no_lcore_works_by_the_old_one() {
    let mut it = beside_the_kernel();
    it.control
        .set_network(network(&["203.0.113.0/24"]))
        .unwrap();
    let table = &it.tables.v4;
    let mut lane = table.lane(0, None).unwrap();
    table.turn(&mut lane);
    let noted = 1 << 16 | 7;
    let [moved, other] = [[203, 0, 113, 7], [203, 0, 114, 7]].map(|client| {
        let (client, vip) = (Ipv4Addr::from(client), Ipv4Addr::new(192, 0, 2, 1));
        let forward = KeyV4::v4(client.into(), vip.into(), 1024, 80, 6);
        let new = NewConn {
            forward,
            reverse: None,
            service: ServiceSlot(0),
            backend: BackendSlot(0),
            state: ConnState {
                protocol: 0,
                flags: 0,
            },
            ip_delta: 0,
            l4_delta: 0,
            next_hop: noted,
            sequence: [0, 0],
            now: Tick(1000),
            due: Tick(9000),
        };
        table.insert(&mut lane, table.hash(&forward), &new).unwrap()
    });
    let way = |id| table.conn(id).unwrap().next_hop();

    it.reader.turn();
    let flips = it.control.look(|look| look.flips);
    assert_eq!(it.control.set_network(network(&[])), Err(Busy));
    assert_eq!(it.control.look(|look| look.flips), flips + 1);
    assert_eq!((way(moved), way(other)), (noted, noted));
    it.reader.turn();
    assert!(it.control.set_network(network(&[])).is_ok());
    assert_eq!(it.control.look(|look| look.flips), flips + 1);
    assert_eq!((way(moved), way(other)), (0, noted));
}
